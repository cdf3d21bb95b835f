//! From files to a catalog. Each form is read into the same declarations ([`declared`]), which are made
//! equal where they mean the same ([`normalise`]), judged together ([`check`]) and built. Every step
//! reports all its problems and goes on.

mod audience;
mod automatic;
mod build;
mod check;
mod dbt;
mod declared;
mod duration;
mod fields;
mod filter;
mod identity;
mod merge;
mod normalise;
mod operator;
mod order;
mod ossie;
mod profile;
mod sql_expr;
mod subscription;
mod tracking_plan;

use std::sync::Arc;

use ::model::Diagnostic;

use crate::{
    Catalog, IdentityRules, hash,
    query::Graph,
    report::Report,
    yaml::{self, Node},
};
use declared::Declared;
pub(crate) use duration::write as write_duration;
use merge::{Document, Form};
pub(crate) use operator::name as operator_name;

/// One definitions file.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// The name diagnostics show.
    pub name: Arc<str>,
    /// Its text.
    pub text: String,
}

/// What came of loading.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The checked catalog; `None` if there is any error.
    pub catalog: Option<Catalog>,
    /// All problems, sorted by place.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads, merges and checks definition files. `variable` answers `${VAR}`.
///
/// ```
/// use semantic::{SourceFile, load};
/// let text = "version: 1\naudiences: [{name: all_of_us, where: {everyone: true}}]".to_owned();
/// let loaded = load(&[SourceFile { name: "shop.yaml".into(), text }], &|_| None);
/// assert!(loaded.catalog.unwrap().audience("all_of_us").is_some());
/// ```
pub fn load(files: &[SourceFile], variable: &dyn Fn(&str) -> Option<String>) -> Loaded {
    let mut report = Report::default();
    let mut all_read = true;
    let mut roots: Vec<(Form, Node)> = Vec::new();
    for file in files {
        let before = report.count();
        let root = parse(file, &mut report);
        all_read &= report.count() == before;
        roots.extend(root.map(|mut root| {
            let form = Form::of(&root);
            if form.has_variables(&root) {
                yaml::fill_variables(&mut root, variable, &mut report);
            }
            (form, root)
        }));
    }
    let document = merge::merge(&roots, &mut report);
    let catalog = read(&document, all_read, &mut report);
    let catalog = (!report.failed()).then_some(catalog);
    let names: Vec<&str> = files.iter().map(|f| &*f.name).collect();
    Loaded { catalog, diagnostics: report.finish(&names) }
}

/// JSON where the name or the first characters say so, else YAML, of which most JSON is a part.
fn parse(file: &SourceFile, report: &mut Report) -> Option<Node> {
    let text = file.text.strip_prefix('\u{feff}').unwrap_or(&file.text);
    let is_json =
        std::path::Path::new(&*file.name).extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
    if is_json {
        return yaml::parse_json(&file.name, text, report);
    }
    if text.trim_start().strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with('"')) {
        // YAML in braces may begin like JSON.
        let mut attempt = Report::default();
        if let Some(node) = yaml::parse_json(&file.name, text, &mut attempt)
            && !attempt.failed()
        {
            return Some(node);
        }
    }
    yaml::parse(&file.name, text, report)
}

fn read(document: &Document<'_>, all_read: bool, report: &mut Report) -> Catalog {
    let tracking_plan = tracking_plan::read(document, report);
    let identity = identity::read(document, report);
    let profile = profile::read(document, report);
    let audiences = audience::read(document, &tracking_plan, report);
    let subscriptions = subscription::read(document, &audiences, report);
    let mut declared = declare(document, &identity, report);
    declared.refused.files = !all_read;
    automatic::add(&mut declared, &tracking_plan, &profile, &audiences);
    let declared = normalise::normalise(declared);
    let broken = check::check(&declared, report);
    let build::Built { models, metrics, saved_queries, spines: time_spines, views: metric_views } =
        build::build(&declared, &broken, &tracking_plan);
    let version = hash::of_text(&format!(
        "{tracking_plan:?}{identity:?}{profile:?}{models:?}{metrics:?}{audiences:?}{:?}{time_spines:?}\
         {saved_queries:?}{metric_views:?}",
        subscription::content(&subscriptions),
    ));
    let graph = Arc::new(Graph::new(&models, &metrics, &audiences, &identity, &time_spines));
    let catalog = Catalog {
        version,
        tracking_plan,
        identity,
        profile,
        semantic_models: models,
        metrics,
        audiences,
        subscriptions,
        saved_queries,
        metric_views,
        time_spines,
        graph,
    };
    check::check_catalog(&catalog, &declared, &broken, report);
    catalog
}

/// What all files declare about the semantic layer.
fn declare(document: &Document<'_>, identity: &IdentityRules, report: &mut Report) -> Declared {
    let models = document.items("models", report);
    let semantic_models = document.items("semantic_models", report);
    let metrics = document.items("metrics", report);
    let saved_queries = document.items("saved_queries", report);
    let mut reader = dbt::Reader::new(identity, report);
    // Our own calendar counts where dbt's has the same grain.
    document.last("time_spine").into_iter().for_each(|node| reader.generated_spine(node));
    semantic_models.into_iter().for_each(|node| reader.semantic_model(node));
    models.into_iter().for_each(|node| reader.model(node));
    metrics.into_iter().for_each(|node| reader.metric(node));
    saved_queries.into_iter().for_each(|node| reader.saved_query(node));
    document.manifests.iter().for_each(|root| reader.manifest(root));
    document.ossie.iter().for_each(|root| reader.ossie(root));
    document.all("metric_views").iter().for_each(|node| reader.metric_views(node));
    reader.out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a file declares, read but not yet normalised.
    fn declared(text: &str) -> Declared {
        let mut report = Report::default();
        let file = SourceFile { name: "x.yaml".into(), text: text.to_owned() };
        let roots: Vec<(Form, Node)> =
            parse(&file, &mut report).into_iter().map(|root| (Form::of(&root), root)).collect();
        let document = merge::merge(&roots, &mut report);
        let identity = identity::read(&document, &mut report);
        declare(&document, &identity, &mut report)
    }

    fn check_idempotent(text: &str) {
        let once = normalise::normalise(declared(text));
        let twice = normalise::normalise(once.clone());
        assert_eq!(once, twice, "{text}");
    }

    const MODEL: &str = "semantic_models:
  - {name: Orders, model: s.t, defaults: {agg_time_dimension: Ds}, entities: [{name: Order, type: primary}],
     dimensions: [{name: Ds, type: time, type_params: {time_granularity: day}}],
     measures: [{name: Ab, agg: sum, create_metric: true}, {name: cd, agg: count, expr: 1}, {name: ef, agg: median}]}
models: [{name: days, time_spine: {standard_granularity_column: ds, custom_granularities: [{name: shift}]}, columns: [{name: ds, granularity: day}]}]
";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn normalising_twice_is_normalising_once(
            metrics in prop::collection::vec(prop::sample::select(vec![
                "{name: M1, type: simple, type_params: {measure: {name: AB, filter: x, fill_nulls_with: 0}}, filter: [x, y]}",
                "{name: cd, type: simple, type_params: {measure: cd}}",
                "{name: cd_fill_nulls_with_2, type: simple, type_params: {measure: gone}}",
                "{name: C1, type: cumulative, type_params: {measure: CD, window: 2 Days}}",
                "{name: C2, type: cumulative, type_params: {measure: {name: cd, fill_nulls_with: 2}, cumulative_type_params: {window: 2 days}, window: 3 days}}",
                "{name: C3, type: cumulative, type_params: {measure: ef, grain_to_date: Month}}",
                "{name: V1, type: conversion, type_params: {conversion_type_params: {entity: Order, base_measure: cd, conversion_measure: gone}}}",
                "{name: D1, type: derived, type_params: {expr: m1, metrics: [{name: M1, alias: X, offset_window: 2 Shifts}]}}",
                "{name: L1, agg: sum, semantic_model: ORDERS}",
                "{name: L2, type: cumulative, input_metric: L1}",
            ]), 0..8)
        ) {
            let lines: String = metrics.iter().map(|metric| format!("  - {metric}\n")).collect();
            check_idempotent(&format!("{MODEL}metrics:\n{lines}"));
        }
    }
}
