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
            "subscriptions", "version",
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
    fn any_filter_and_name_is_compiled_or_refused(
        filter in "[ -~é]{0,40}",
        inner in "[a-z_'\", ().\\[\\]={}]{0,30}",
        name in "[a-z_]{0,20}",
    ) {
        let query = MetricQuery {
            metrics: vec!["revenue".to_owned()],
            group_by: vec![name, inner.clone()],
            filters: vec![filter, format!("{{{{ {inner} }}}}"), format!("{{{{ Dimension('{inner}') }}}} = 1")],
            ..MetricQuery::default()
        };
        let _ = compile(&CATALOG, &query);
    }
}
