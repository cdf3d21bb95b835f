//! W-1: every value of an accepted event can be rebuilt from its row, and the tables do not depend on
//! how the events were batched.

use std::collections::{BTreeMap, BTreeSet};

use model::{json::Json, naming::column_name};
use proptest::prelude::*;

use super::*;

fn leaf() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        (-1000..1000_i32).prop_map(|n| format!("{}.{}", n / 10, (n % 10).abs())),
        Just("true".to_owned()),
        "[a-z]{1,6}".prop_map(|t| model::json::quote(&t)),
        Just(r#""2026-01-02T03:04:05Z""#.to_owned()),
        Just(r#"[1,"a"]"#.to_owned()),
        Just("12345678901234567890.25".to_owned()),
        Just("null".to_owned()),
    ]
}

fn object() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("total"),
        Just("order_id"),
        Just("a"),
        Just("A"),
        Just("b c"),
        Just("bC"),
        Just("id"),
        Just("context_x"),
        Just("shipping"),
        Just("meta")
    ];
    let inner = proptest::collection::btree_map(prop_oneof![Just("city"), Just("c")], leaf(), 0..3)
        .prop_map(|members| text_of(&members));
    proptest::collection::btree_map(key, prop_oneof![3 => leaf(), 1 => inner], 0..6)
        .prop_map(|members| text_of(&members))
}

fn text_of(members: &BTreeMap<&str, String>) -> String {
    let members: Vec<String> =
        members.iter().map(|(k, v)| format!("{}:{v}", model::json::quote(k))).collect();
    format!("{{{}}}", members.join(","))
}

/// Leaves as (path, canonical text); instants and numbers by value.
fn leaves(value: &Json<'_>, path: &str, out: &mut BTreeSet<(String, String)>) {
    for (key, value) in value.members() {
        let path = if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
        match value {
            Json::Object(_) => leaves(value, &path, out),
            value if crate::fit::is_empty(value) => {}
            value => _ = out.insert((path, same(&crate::fit::canonical(value)))),
        }
    }
}

fn same(text: &str) -> String {
    let number = text.strip_suffix(".0").or_else(|| text.strip_suffix(".00")).unwrap_or(text);
    let number = if number.contains('.') { number.trim_end_matches('0') } else { number };
    Timestamp::parse(text).map_or_else(|| number.to_owned(), |t| t.to_string())
}

async fn dump(warehouse: &Embedded) -> Vec<String> {
    ask(&warehouse.snapshot(), "select * from order_completed order by log_offset").await
}

/// The row's values by column, for columns that have one.
async fn rows(warehouse: &Embedded) -> Vec<BTreeMap<String, String>> {
    let found = batches(&warehouse.snapshot(), "select * from order_completed order by log_offset").await;
    let options = FormatOptions::new();
    let mut rows = Vec::new();
    for batch in found {
        for row in 0..batch.num_rows() {
            let mut cells = BTreeMap::new();
            for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                if !column.is_null(row) {
                    let text =
                        ArrayFormatter::try_new(column.as_ref(), &options).unwrap().value(row).to_string();
                    cells.insert(field.name().clone(), text);
                }
            }
            rows.push(cells);
        }
    }
    rows
}

fn rebuilt(row: &BTreeMap<String, String>, path: &str, value: &str) -> bool {
    let column = column_name(path);
    let beside = ["", "__int", "__float", "__string"]
        .iter()
        .any(|side| row.get(&format!("{column}{side}")).is_some_and(|stored| same(stored) == value));
    let mut kept = BTreeSet::new();
    for (name, path) in [("properties", ""), ("meta", "meta")] {
        if let Some(text) = row.get(name) {
            let parsed = Json::parse(text.as_bytes()).unwrap().value;
            leaves(&parsed, path, &mut kept);
            // A planned JSON column may hold a value that is no object.
            kept.insert((path.to_owned(), same(&crate::fit::canonical(&parsed))));
        }
    }
    // A planned text column holds an object as its JSON text.
    for (end, _) in path.match_indices('.') {
        let parent = &path[..end];
        let text = row.get(&column_name(parent)).and_then(|text| Json::parse(text.as_bytes()).ok());
        if let Some(parsed) = text {
            leaves(&parsed.value, parent, &mut kept);
        }
    }
    beside || kept.contains(&(path.to_owned(), value.to_owned()))
}

/// Each case is two warehouses on disk, so a few by default; `PROPTEST_CASES` asks for more.
fn cases() -> ProptestConfig {
    const UNASKED: u32 = 256;
    let config = ProptestConfig::default();
    let cases = if config.cases == UNASKED { 16 } else { config.cases };
    ProptestConfig { cases, ..config }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn every_leaf_is_kept_and_batch_cuts_do_not_matter(
        sent in proptest::collection::vec(object(), 1..8),
        cuts in proptest::collection::vec(any::<bool>(), 8),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let row = |n: usize| track(n as u64, "Order Completed", &sent[n]);
            let whole = Bench::new();
            let at_once = whole.open().await;
            at_once.apply(events((0..sent.len()).map(row).collect()));
            let cut = Bench::new();
            let in_parts = cut.open().await;
            for (n, flush) in cuts.iter().enumerate().take(sent.len()) {
                in_parts.apply(events(vec![row(n)]));
                if *flush {
                    in_parts.flush().await.unwrap();
                }
            }
            assert_eq!(dump(&at_once).await, dump(&in_parts).await);
            for (row, sent) in rows(&in_parts).await.iter().zip(&sent) {
                let mut expected = BTreeSet::new();
                leaves(&Json::parse(sent.as_bytes()).unwrap().value, "", &mut expected);
                for (path, value) in expected {
                    assert!(rebuilt(row, &path, &value), "{path} = {value} of {sent} is not in {row:?}");
                }
            }
        });
    }
}
