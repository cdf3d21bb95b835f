//! The forms of definitions: each loads, and all of them say the same.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use semantic::{Aggregation, Catalog, Loaded, MetricKind, Relation, SpinePoints};

use crate::support::{read, shown};

const MANIFESTS: [&str; 6] = [
    "simple_manifest",
    "extended_date_manifest",
    "scd_manifest",
    "partitioned_multi_hop_join_manifest",
    "multi_hop_join_manifest",
    "non_sm_manifest",
];
const FORMS: [&str; 4] =
    ["semantic_manifest.json", "semantic_manifest.simple_metrics.json", "dbt.yml", "dbt_latest.yml"];

/// The shared corpus: `ETALON_SHARED`, else beside the workspace.
fn corpus() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a test is told where its data is")]
    let given = std::env::var_os("ETALON_SHARED");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join("shared");
    let shared = given.as_ref().map_or(root, PathBuf::from);
    let folder = shared.join("conformance/metricflow/definitions");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(given.is_none(), "ETALON_SHARED is set, but {} is no folder", folder.display());
    None
}

fn load(folder: &Path, manifest: &str, form: &str) -> Loaded {
    let path = folder.join(manifest).join(form);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    read(&[(form, &text)])
}

/// What two forms must agree on. The measures of a legacy form are the metrics of a newer one, `ref` of
/// YAML names the schema that a manifest has found, and labels and texts are for people.
fn essence(mut catalog: Catalog) -> BTreeMap<String, String> {
    let schema = |relation: &mut Relation| {
        if let Relation::Table { schema, .. } = relation {
            *schema = "corpus".to_owned();
        }
    };
    let mut found = BTreeMap::new();
    for model in &mut catalog.semantic_models {
        if model.automatic {
            continue;
        }
        schema(&mut model.relation);
        model.measures.clear();
        model.description = None;
        // A default is said again by each metric of a second-generation manifest.
        model.default_agg_time_dimension = None;
        model.entities.sort_by(|a, b| a.name.cmp(&b.name));
        model.dimensions.sort_by(|a, b| a.name.cmp(&b.name));
        found.insert(format!("model {}", model.name), format!("{model:#?}"));
    }
    for metric in &mut catalog.metrics {
        metric.description = None;
        metric.label.clear();
        // The newest spec has one text where a list may stand.
        if metric.filters.len() > 1 {
            let parts: Vec<String> = metric.filters.iter().map(|f| format!("({f})")).collect();
            metric.filters = vec![parts.join(" AND ")];
        }
        if let MetricKind::Simple(simple) = &mut metric.kind {
            simple.measure = None;
        }
        found.insert(format!("metric {}", metric.name), format!("{metric:#?}"));
    }
    for spine in &mut catalog.time_spines {
        if let SpinePoints::Table { relation, .. } = &mut spine.points {
            schema(relation);
        }
        found.insert(format!("spine {}", spine.grain), format!("{spine:#?}"));
    }
    for query in &catalog.saved_queries {
        found.insert(format!("saved query {}", query.name), format!("{query:#?}"));
    }
    found
}

#[test]
fn forms_agree() {
    let Some(folder) = corpus() else {
        println!("the shared corpus is not here: set ETALON_SHARED to compare the forms of definitions");
        return;
    };
    let mut compared = 0;
    for manifest in MANIFESTS {
        let mut forms = FORMS.map(|form| {
            let loaded = load(&folder, manifest, form);
            let diagnostics = shown(&loaded);
            let catalog = loaded.catalog.unwrap_or_else(|| panic!("{manifest}/{form}:\n{diagnostics}"));
            essence(catalog)
        });
        // The newest spec has no approximate percentiles, so its YAML says `continuous` for one of
        // them, which is exact, and lacks the other.
        let (approximate, newest) = forms.split_at_mut(3);
        for form in approximate.iter_mut().chain(newest) {
            form.remove("metric approximate_continuous_booking_value_p99");
            form.remove("metric approximate_discrete_booking_value_p99");
        }
        let [first, others @ ..] = &forms;
        for (other, name) in others.iter().zip(&FORMS[1..]) {
            let names = |form: &BTreeMap<String, String>| form.keys().cloned().collect::<Vec<_>>();
            // A legacy form makes private metrics of measures, and only of those that are used.
            assert_eq!(names(first), names(other), "{manifest}: {} against {name}", FORMS[0]);
            for (key, value) in first {
                assert_eq!(value, &other[key], "{manifest}, {key}: {} against {name}", FORMS[0]);
                compared += 1;
            }
        }
    }
    println!("{compared} elements of {} manifests are equal in all four forms", MANIFESTS.len());
}

#[test]
fn the_approximate_percentiles_of_the_corpus_are_read_as_each_form_says() {
    let Some(folder) = corpus() else { return };
    for (form, approximate) in FORMS.into_iter().zip([true, true, true, false]) {
        let catalog = load(&folder, "simple_manifest", form).catalog.unwrap();
        let metric = catalog.metric("approximate_continuous_booking_value_p99").unwrap();
        let MetricKind::Simple(simple) = &metric.kind else { panic!("{metric:?}") };
        let Aggregation::Percentile(percentile) = simple.agg else { panic!("{simple:?}") };
        assert_eq!((percentile.approximate, percentile.discrete), (approximate, false), "{form}");
    }
}

#[test]
fn a_file_of_ours_stands_beside_what_dbt_writes() {
    let ours = "version: 1
audiences: [{name: big, where: {trait: plan, eq: pro}}]
profile: {traits: {plan: {type: string}}}
metrics: [{name: twice, type: derived, expr: revenue * 2, input_metrics: [revenue]}]
";
    let manifest = r#"{"semantic_models": [{"name": "orders", "node_relation": {"relation_name": "\"db\".\"s\".\"orders\""},
        "defaults": {"agg_time_dimension": "ds"}, "entities": [{"name": "order", "type": "primary"}],
        "dimensions": [{"name": "ds", "type": "time", "type_params": {"time_granularity": "day"}}],
        "measures": [{"name": "revenue", "agg": "sum", "description": "\ud83d\ude00 ${NOT_A_VARIABLE}"}]}],
      "metrics": [{"name": "revenue", "type": "simple", "type_params": {"measure": {"name": "revenue"}}}],
      "project_configuration": {"time_spine_table_configurations": [{"location": "s.days", "column_name": "ds", "grain": "day"}]}}"#;
    let latest = "version: 2
models:
  - {name: visits, semantic_model: {enabled: true}, primary_entity: visit, agg_time_dimension: ds,
     columns: [{name: ds, dimension: time, granularity: day}], metrics: [{name: visits, agg: count, expr: 1}]}
sources: [{name: raw, tables: []}]
";
    let loaded =
        read(&[("ours.yaml", ours), ("target/semantic_manifest.json", manifest), ("visits.yml", latest)]);
    assert_eq!(shown(&loaded), "");
    let catalog = loaded.catalog.unwrap();
    for name in ["revenue", "twice", "visits", "audience_size"] {
        assert!(catalog.metric(name).is_some(), "{name}");
    }
    let orders = &catalog.semantic_models[1];
    assert_eq!(orders.relation.to_string(), "db.s.orders");
    assert_eq!(orders.measures[0].description.as_deref(), Some("😀 ${NOT_A_VARIABLE}"));
    assert_eq!(catalog.time_spines.len(), 1);
}

#[test]
fn a_mixed_manifest_aggregates_as_its_params_say() {
    let manifest = r#"{"semantic_models": [{"name": "orders", "node_relation": {"schema_name": "s", "alias": "orders"},
        "defaults": {"agg_time_dimension": "ds"}, "entities": [{"name": "order", "type": "primary"}],
        "dimensions": [{"name": "ds", "type": "time", "type_params": {"time_granularity": "day"}}],
        "measures": [{"name": "revenue", "agg": "sum", "expr": "price"}]}],
      "metrics": [{"name": "revenue", "type": "simple", "type_params": {"measure": {"name": "revenue"}, "expr": "price * 2",
        "metric_aggregation_params": {"semantic_model": "orders", "agg": "max", "agg_time_dimension": "ds", "expr": "price * 2"}}}],
      "project_configuration": {"time_spines": []}}"#;
    let loaded = read(&[("m.json", manifest)]);
    assert_eq!(shown(&loaded), "");
    let catalog = loaded.catalog.unwrap();
    let MetricKind::Simple(simple) = &catalog.metric("revenue").unwrap().kind else { panic!() };
    assert_eq!((simple.agg, simple.expr.as_str()), (Aggregation::Max, "price * 2"));
}

#[test]
fn a_file_that_cannot_be_read_hides_nothing_of_the_others() {
    let broken = "version: 1\nmetrics:\n  - {name: lost, type: [\n";
    let json = "{\"semantic_models\": [}";
    let other = "version: 1
metrics:
  - {name: half, type: derived, expr: lost / 2, input_metrics: [lost]}
  - {name: Bad__name, type: simple, type_params: {measure: lost_too}}
";
    let found = shown(&read(&[("a.yaml", broken), ("b.json", json), ("c.yaml", other)]));
    insta::assert_snapshot!(found, @r#"
a.yaml:4:1: not valid YAML: while parsing a node, did not find expected node content [bad_yaml]
b.json:1:22: not valid JSON: a value expected [bad_json]
c.yaml:4:12: 'Bad__name' is not a valid name: use lower case letters, digits and single underscores, start with a letter, at least 2 characters [bad_name]
"#);
}

#[test]
fn merge_keys_of_yaml_add_what_is_not_written() {
    let yaml = "version: 1
semantic_models:
  - &base
    name: orders
    model: s.orders
    primary_entity: order
    dimensions: [{name: status, type: categorical}]
  - {<<: *base, name: returns, primary_entity: return_of}
";
    let loaded = read(&[("x.yaml", yaml)]);
    assert_eq!(shown(&loaded), "");
    let model = &loaded.catalog.unwrap().semantic_models[1];
    assert_eq!((model.name.as_str(), model.primary_entity.as_deref()), ("returns", Some("return_of")));
    assert_eq!((model.relation.to_string().as_str(), model.dimensions.len()), ("s.orders", 1));
}
