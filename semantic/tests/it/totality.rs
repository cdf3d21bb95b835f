//! No text makes the loader or the compiler panic.

use std::sync::LazyLock;

use proptest::prelude::*;
use semantic::{Catalog, MetricQuery, compile};

use crate::support::{SHOP, catalog, read};

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| catalog(SHOP));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_text_is_loaded_or_refused(text in "[ -~\n]{0,120}") {
        let _ = read(&[("x.yaml", &text)]);
    }

    #[test]
    fn any_value_in_any_place_is_loaded_or_refused(
        key in prop::sample::select(vec![
            "tracking_plan", "identity", "profile", "semantic_models", "metrics", "time_spine", "audiences",
            "subscriptions", "version", "models", "saved_queries", "metric_views", "semantic_model",
        ]),
        value in "[\\[\\]{}a-z:, '\"$*&|>-]{0,40}",
    ) {
        let _ = read(&[("x.yaml", &format!("version: 1\n{key}: {value}\n"))]);
        let _ = read(&[("x.yaml", &format!("version: 1\n{key}:\n  - {{name: ab, where: {value}, model: {value}}}\n"))]);
    }

    #[test]
    fn a_damaged_file_is_loaded_or_refused(at in 0_usize..6_000, with in "[ -~\n]{0,4}") {
        let mut text = SHOP.to_owned();
        let at = at.min(text.len());
        if text.is_char_boundary(at) {
            text.insert_str(at, &with);
        }
        let _ = read(&[("x.yaml", &text)]);
    }

    #[test]
    fn a_damaged_manifest_is_loaded_or_refused(at in 0_usize..1_400, with in "[ -~\n]{0,4}", cut in 0_usize..40) {
        const MANIFEST: &str = r#"{"semantic_models": [{"name": "orders", "node_relation": {"relation_name": "\"s\".\"o\""}, "defaults": {"agg_time_dimension": "ds"},
            "entities": [{"name": "order", "type": "primary", "expr": "id"}], "dimensions": [{"name": "ds", "type": "time", "type_params": {"time_granularity": "day"}}],
            "measures": [{"name": "revenue", "agg": "percentile", "agg_params": {"percentile": 0.5}, "non_additive_dimension": {"name": "ds", "window_groupings": ["order"]}}]}],
            "metrics": [{"name": "revenue", "type": "simple", "type_params": {"measure": {"name": "revenue", "filter": {"where_filters": [{"where_sql_template": "{{ Entity('order') }} > 1"}]}}}},
            {"name": "mtd", "type": "cumulative", "type_params": {"measure": {"name": "revenue"}, "cumulative_type_params": {"window": {"count": 7, "granularity": "days"}}}},
            {"name": "grew", "type": "derived", "type_params": {"expr": "revenue - b", "metrics": [{"name": "revenue"}, {"name": "revenue", "alias": "b", "offset_to_grain": "month"}]}}],
            "saved_queries": [{"name": "top", "query_params": {"metrics": ["revenue"], "group_by": ["TimeDimension('metric_time', 'day')"], "order_by": ["-revenue"]}}],
            "project_configuration": {"time_spines": [{"node_relation": {"relation_name": "s.days"}, "primary_column": {"name": "ds", "time_granularity": "day"}}]}}"#;
        let mut text = MANIFEST.to_owned();
        let (at, to) = (at.min(text.len()), (at + cut).min(text.len()));
        text.replace_range(at..to, &with);
        let _ = read(&[("m.json", &text)]);
        let _ = read(&[("m.yaml", &text)]);
    }

    #[test]
    fn any_filter_and_name_is_compiled_or_refused(
        filter in "[ -~é]{0,40}",
        inner in "[a-z_'\", ().\\[\\]={}]{0,30}",
        name in "[a-z_]{0,20}",
    ) {
        let query = MetricQuery {
            metrics: vec!["revenue".into()],
            group_by: vec![name.into(), inner.clone().into()],
            filters: vec![filter, format!("{{{{ {inner} }}}}"), format!("{{{{ Dimension('{inner}') }}}} = 1")],
            ..MetricQuery::default()
        };
        let _ = compile(&CATALOG, &query);
    }
}
