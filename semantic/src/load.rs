//! Reads the blocks of the definitions. Every block reports all its problems and goes on.

mod audience;
mod automatic;
mod check;
mod duration;
mod fields;
mod filter;
mod identity;
mod merge;
mod metric;
mod model;
mod operator;
mod profile;
mod sql_expr;
mod subscription;
mod tracking_plan;

use std::sync::Arc;

use ::model::{Diagnostic, Timestamp};

use crate::{
    Catalog, Grain, TimeSpine, hash,
    query::Graph,
    report::Report,
    yaml::{self, Node},
};
pub(crate) use duration::write as write_duration;
use fields::Fields;
use merge::Document;
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
    let nodes: Vec<Node> =
        files.iter().filter_map(|file| yaml::parse(&file.name, &file.text, variable, &mut report)).collect();
    let document = merge::merge(&nodes, files.first().map(|f| &f.name), &mut report);
    let catalog = read(&document, &mut report);
    let catalog = (!report.failed()).then_some(catalog);
    let names: Vec<&str> = files.iter().map(|f| &*f.name).collect();
    Loaded { catalog, diagnostics: report.finish(&names) }
}

fn read(document: &Document<'_>, report: &mut Report) -> Catalog {
    let tracking_plan = tracking_plan::read(document, report);
    let identity = identity::read(document, report);
    let profile = profile::read(document, report);
    let audiences = audience::read(document, &tracking_plan, report);
    let subscriptions = subscription::read(document, &audiences, report);
    let time_spine = read_time_spine(document, report);
    let mut models = model::read(document, &tracking_plan, &identity, report);
    automatic::add(&mut models, &tracking_plan, &profile);
    let metrics = metric::read(document, &mut models, report);
    check::models(&models, report);
    let check::Judged { models, metrics, places } = check::metrics(models, metrics, report);
    let version = hash::of_text(&format!(
        "{tracking_plan:?}{identity:?}{profile:?}{models:?}{metrics:?}{audiences:?}{:?}{time_spine:?}",
        subscription::content(&subscriptions),
    ));
    let graph = Arc::new(Graph::new(&models, &metrics, &audiences, &identity));
    let catalog = Catalog {
        version,
        tracking_plan,
        identity,
        profile,
        semantic_models: models,
        metrics,
        audiences,
        subscriptions,
        time_spine,
        graph,
    };
    check::filters(&catalog, &places, report);
    catalog
}

fn read_time_spine(document: &Document<'_>, report: &mut Report) -> Option<TimeSpine> {
    let node = document.last("time_spine")?;
    let mut fields = Fields::open(node, "time_spine", &["grain", "from", "to"], &[], report)?;
    let grain = match fields.word("grain", report) {
        None => Grain::Day,
        Some((text, span)) => Grain::parse(text).unwrap_or_else(|| {
            report.error("unknown_grain", span, format!("'{text}' is not a grain"));
            Grain::Day
        }),
    };
    let mut instant = |key: &str, report: &mut Report| {
        let (text, span) = fields.required(key, report)?;
        let at = Timestamp::parse(text);
        if at.is_none() {
            report.error("bad_value", span, format!("'{text}' is not a date such as 2024-01-01"));
        }
        at
    };
    let (from, to) = (instant("from", report), instant("to", report));
    let (from, to) = (from?, to?);
    if from > to {
        report.error("bad_value", &node.span, "time_spine ends before it begins");
    }
    Some(TimeSpine { grain, from, to })
}
