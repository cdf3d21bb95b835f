//! Definitions files: what is read, and every way in which one is refused.

use insta::assert_snapshot;
use semantic::{DimensionKind, describe};

use crate::support::{SHOP, catalog, read, shown};

fn check_diagnostics(yaml: &str) -> String {
    shown(&read(&[("shop.yaml", yaml)]))
}

#[test]
fn the_shipped_example_loads_without_a_word() {
    let loaded = read(&[("metrics.yaml", SHOP)]);
    assert_eq!(shown(&loaded), "");
    let catalog = loaded.catalog.unwrap();
    assert_eq!(catalog.tracking_plan.events.len(), 6);
    assert_eq!(catalog.audiences.len(), 6);
    assert_eq!(catalog.subscriptions[0].url, "http://127.0.0.1:9999/hooks");
    let automatic: Vec<&str> =
        catalog.semantic_models.iter().filter(|m| m.automatic).map(|m| m.name.as_str()).collect();
    assert_eq!(
        automatic,
        ["product_added", "checkout_started", "order_refunded", "signed_up", "profiles", "audience_changes"]
    );
}

#[test]
fn six_mistakes_are_reported_at_once_each_at_its_place() {
    let yaml = "\
version: 1
tracking_plan:
  events:
    - {name: Order Completed, properties: {revenue: {type: money}}}
identity:
  identifiers:
    - {name: email, limit: none}
audience: []
audiences:
  - {name: buyers, where: {event: Order Completed, window: {within: 7x}}}
  - {name: buyers, where: {everyone: true}}
metrics:
  - {name: growth, type: derived, type_params: {expr: a / b}}
  - {name: total, type: simple, type_params: {measure: revenu}}
subscriptions:
  - {name: crm, url: '${MISSING}', secret: whsec_0123456789abcdef0123456789}
";
    assert_snapshot!(check_diagnostics(yaml), @r#"
shop.yaml:4:60: unknown type 'money' [unknown_type]
shop.yaml:7:14: warning: the first identifier 'email' should have limit: 1, it is the strongest [weak_identifier]
shop.yaml:7:28: 'limit' must be a whole number of at least 1 [bad_value]
shop.yaml:8:1: unknown key 'audience', did you mean 'audiences'? [unknown_key]
shop.yaml:10:69: '7x' is not a duration such as 90s, 1h30m or 7d [bad_duration]
shop.yaml:11:12: audience 'buyers' is already defined at shop.yaml:10:12 [duplicate_name]
shop.yaml:13:12: metric 'growth' is derived but has no inputs [bad_metric]
shop.yaml:14:56: metric 'total': measure 'revenu' does not exist [unknown_input]
shop.yaml:16:22: variable 'MISSING' is not set; set it or write ${MISSING:-default} [missing_variable]
"#);
}

#[test]
fn two_files_are_one_and_name_both_places() {
    let one = "version: 1\naudiences: [{name: all_of_us, where: {everyone: true}}]\nidentity: {identifiers: [{name: user_id, limit: 1}]}\n";
    let two = "audiences: [{name: all_of_us, where: {trait: plan, eq: pro}}]\nidentity: {identifiers: []}\n";
    assert_snapshot!(shown(&read(&[("a.yaml", one), ("b.yaml", two)])), @r#"
b.yaml:1:20: audience 'all_of_us' is already defined at a.yaml:2:20 [duplicate_name]
b.yaml:2:1: block 'identity' is already defined at a.yaml:3:1 [duplicate_name]
"#);
}

#[test]
fn what_this_version_does_not_offer_is_said() {
    let yaml = "\
version: 1
sources: [{name: crm}]
computed_traits: []
audiences:
  - {name: big, where: {metric: revenue, gte: 1000}}
  - {name: gone, where: {event: A, sum: {property: x, gte: 1}}, dwell: {enter: 1m}}
  - {name: today, where: {event: A, window: {calendar: {unit: day}}}}
";
    assert_snapshot!(check_diagnostics(yaml), @r#"
shop.yaml:2:1: 'sources' is not offered by this version [unsupported]
shop.yaml:3:1: 'computed_traits' is not offered by this version [unsupported]
shop.yaml:5:25: the condition 'metric' is not offered by this version [unsupported]
shop.yaml:6:36: the reducer 'sum' is not offered by this version [unsupported]
shop.yaml:6:65: 'dwell' of an audience is not offered by this version [unsupported]
shop.yaml:7:46: 'calendar' of a window is not offered by this version [unsupported]
"#);
}

#[test]
fn audiences_are_refused_by_code() {
    let yaml = "\
version: 1
audiences:
  - {name: a1, where: {all: []}}
  - {name: a2, where: {evnt: X}}
  - {name: a3, where: {event: X, trait: plan}}
  - {name: a4, where: {trait: plan}}
  - {name: a5, where: {trait: plan, equals: pro}}
  - {name: a6, where: {event: X, count: {gte: many}}}
  - {name: a7, where: {event: X, filter: {property: p, within_last: 7d}}}
  - {name: a8, where: {event: X, filter: {trait: plan, eq: pro}}}
  - {name: a9, where: {event: X, window: 7d}}
  - {name: changes, where: {everyone: true}}
  - {name: a11}
  - {name: a12, where: {trait: email, matches: '(?=x)'}}
  - {name: a13, where: {trait: age, between: [9, 1]}}
  - {name: a14, where: {not: {not: {not: {not: {not: {not: {not: {not: {everyone: true}}}}}}}}}}
";
    assert_snapshot!(check_diagnostics(yaml), @r#"
shop.yaml:3:29: 'all' needs at least one member [empty_group]
shop.yaml:4:23: a condition needs one of event, page, screen, trait, everyone, all, any, not, did you mean 'event'? [no_kind]
shop.yaml:5:34: a condition has one kind; 'trait' is a second one, combine them with all or any [many_kinds]
shop.yaml:6:23: needs an operator such as 'eq' [missing_operator]
shop.yaml:7:37: unknown operator 'equals' [unknown_operator]
shop.yaml:8:47: 'gte' needs a number [bad_operand]
shop.yaml:9:56: 'within_last' moves with the clock; a filter looks at one call only, use the window [relative_time_in_filter]
shop.yaml:10:43: a filter looks at one call only; compare traits in a trait leaf [trait_in_filter]
shop.yaml:11:42: a window is a mapping such as {within: 7d} [bad_window]
shop.yaml:12:12: 'changes' is a table of the schema audiences; choose another name [reserved_name]
shop.yaml:13:5: an audience needs 'where' [missing_key]
shop.yaml:14:48: 'matches' needs a regular expression: look-around, including look-ahead and look-behind, is not supported [bad_operand]
shop.yaml:15:46: 'between' needs the smaller number first [bad_operand]
shop.yaml:16:72: nested deeper than 8 levels [too_deep]
"#);
}

#[test]
fn models_and_metrics_are_judged_together() {
    let yaml = r#"
version: 1
semantic_models:
  - name: orders
    model: ref('orders')
    defaults: {agg_time_dimension: orderd_at}
    entities: [{name: order, type: primary}, {name: user, type: foreign}]
    dimensions:
      - {name: ordered_at, type: time}
      - {name: status, type: categorical, expr: "select 1"}
      - {name: order, type: categorical}
      - {name: day, type: categorical}
      - {name: Foo__x, type: categorical}
    measures:
      - {name: rows_seen, agg: count}
      - {name: uniques, agg: sum, expr: distinct x}
  - {name: nobody, model: "source('a', 'x')", dimensions: [{name: status, type: categorical}]}
metrics:
  - {name: aov, type: ratio, type_params: {numerator: rows_sen, denominator: uniques}}
  - {name: empty, type: simple, type_params: {}}
  - {name: rate_a, type: ratio, type_params: {numerator: rate_b, denominator: rate_b}}
  - {name: rate_b, type: ratio, type_params: {numerator: rate_a, denominator: rate_a}}
  - {name: total, type: simple, type_params: {measure: uniques}, filter: "{{ Dimension('order__statuss') }} = 'x'", label: A}
  - {name: total_too, type: simple, type_params: {measure: uniques}, filter: "{{ Dimension('order__status' }} = 'x'", label: A}
"#;
    assert_snapshot!(check_diagnostics(yaml), @r#"
shop.yaml:6:36: 'orderd_at' is not a time dimension of model 'orders', did you mean 'ordered_at'? [unknown_time_dimension]
shop.yaml:7:53: warning: entity 'user' occurs in one model only, so nothing can join to it [lonely_entity]
shop.yaml:9:16: time dimension 'ordered_at' needs a time_granularity [missing_granularity]
shop.yaml:10:49: 'select 1' is not a SQL expression, column 8: unexpected '1' [bad_expr]
shop.yaml:11:16: 'order' is already the entity at line 7 [duplicate_name]
shop.yaml:12:16: 'day' is reserved (time grain); choose another name [reserved_name]
shop.yaml:13:16: 'Foo__x' is not a valid name: use lower case letters, digits and single underscores, start with a letter, at least 2 characters [bad_name]
shop.yaml:15:32: measure 'rows_seen': count needs an expr; use expr: 1 to count rows [bad_measure]
shop.yaml:16:41: measure 'uniques': distinct inside expr; use agg: count_distinct [bad_measure]
shop.yaml:17:12: model 'nobody' has dimensions but no primary entity: mark one entity as primary or set primary_entity [bad_model]
shop.yaml:19:55: metric 'aov': input metric 'rows_sen' does not exist [unknown_input]
shop.yaml:19:78: metric 'aov': input metric 'uniques' does not exist [unknown_input]
shop.yaml:20:46: metric 'empty' needs agg (or a measure) [bad_metric]
shop.yaml:21:12: metric 'rate_a' is computed from itself [metric_cycle]
shop.yaml:22:12: metric 'rate_b' is computed from itself [metric_cycle]
shop.yaml:23:74: filter of metric 'total', column 1: unknown dimension 'order__statuss', did you mean 'order__status'? [bad_filter]
shop.yaml:24:78: filter of metric 'total_too', column 30: ',' expected [bad_filter]
shop.yaml:24:126: label 'A' is used by metrics 'total' and 'total_too' [duplicate_label]
"#);
}

#[test]
fn identity_is_checked() {
    let yaml = r"
version: 1
identity:
  identifiers:
    - email
    - {name: phone, normalize: [phonee], max_fanout: 0}
    - {name: card, limit: 1, max_fanout: 5, block: [{pattern: '('}]}
    - {name: group_id, limit: 2}
  must: [['crm:1', 'crm:1'], [crm]]
  block: [{type: fax, value: x}, {record: nope}]
profile:
  traits:
    plan: {type: strin}
    tags: {type: string, merge: union}
    version: {type: string}
";
    assert_snapshot!(check_diagnostics(yaml), @r#"
shop.yaml:5:7: warning: the first identifier 'email' should have limit: 1, it is the strongest [weak_identifier]
shop.yaml:6:14: warning: identifier 'phone' has neither limit nor max_fanout: one shared value joins everybody [weak_identifier]
shop.yaml:6:33: 'phonee' is not a normalizer; use trim, lowercase, email, digits, phone or {replace: [pattern, text]}, did you mean 'phone'? [bad_value]
shop.yaml:6:54: 'max_fanout' must be a whole number of at least 1 [bad_value]
shop.yaml:7:14: identifier 'card' has limit: 1 and max_fanout: a suspended value would let two records with different values meet; remove one [bad_identifier]
shop.yaml:7:63: not a usable regular expression: unclosed group [bad_pattern]
shop.yaml:8:14: 'group_id' identifies a group, not a person [group_identifier]
shop.yaml:9:10: 'crm:1' is paired with itself [bad_directive]
shop.yaml:9:30: 'must' needs two records a pair [bad_directive]
shop.yaml:10:18: unknown identifier 'fax' [unknown_identifier]
shop.yaml:10:43: 'nope' is not a record; write 'source:key', such as 'web:user:u9' [bad_directive]
shop.yaml:13:18: unknown type 'strin', did you mean 'string'? [unknown_type]
shop.yaml:14:33: merge 'union' does not fit the type string [bad_value]
shop.yaml:15:5: 'version' is a column of every profile; choose another name [reserved_name]
"#);
}

#[test]
fn variables_are_filled_in_after_yaml_is_read() {
    let yaml = "version: 1\naudiences: [{name: us, label: '${SET}: x', description: '${NO:-a: b}', where: {everyone: true}}]";
    let audience = catalog(yaml).audience("us").unwrap().clone();
    assert_eq!(audience.label.as_deref(), Some("from the environment: x"));
    assert_eq!(audience.description.as_deref(), Some("a: b"));
}

#[test]
fn two_spellings_of_one_condition_have_one_version() {
    let hash = |condition: &str| {
        let yaml = format!("version: 1\naudiences: [{{name: us, where: {condition}}}]");
        catalog(&yaml).audience("us").unwrap().hash
    };
    let one = hash("{all: [{event: A, window: {within: 7d}}, {trait: x, gte: 1.50, lt: 3}]}");
    assert_eq!(
        one,
        hash(
            "{all: [{trait: x, lt: 3, gte: 1.5}, {all: [{count: {gte: 1}, window: {within: 1w}, event: [A]}]}]}"
        )
    );
    assert_ne!(one, hash("{all: [{event: A, window: {within: 8d}}, {trait: x, gte: 1.5, lt: 3}]}"));
}

#[test]
fn conditions_are_described_in_words() {
    let catalog = catalog(SHOP);
    let words: Vec<String> =
        catalog.audiences.iter().map(|a| format!("{}: {}", a.name, describe(&a.condition))).collect();
    assert_snapshot!(words.join("\n"), @r#"
active_customers: did Order Completed in the last 30d
recent_viewers: did Product Viewed in the last 1d
frequent_buyers: did Order Completed at least 3 times in the last 7d
cart_builders: did Product Added in the last 1h
pro_plan: trait plan is 'pro'
engaged: (did Product Viewed at least 3 times in the last 7d or did Order Completed where revenue is at least 50 in the last 30d) and not (did Order Refunded in the last 30d)
"#);
}

#[test]
fn the_dimensions_of_metrics_are_those_all_of_them_have() {
    let catalog = catalog(SHOP);
    let names = |metrics: &[&str]| {
        let metrics: Vec<String> = metrics.iter().map(|m| (*m).to_owned()).collect();
        let found = catalog.dimensions(&metrics);
        found
            .iter()
            .map(|d| match d.kind {
                DimensionKind::Time(grain) => format!("{} ({grain})", d.qualified_name),
                DimensionKind::Categorical => d.qualified_name.clone(),
            })
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_snapshot!(names(&["orders_per_view"]), @r#"
metric_time (second)
profile__country
profile__email
profile__first_seen (millisecond)
profile__name
profile__plan
profile__tags
profile__updated_at (millisecond)
profile__in_active_customers
profile__in_recent_viewers
profile__in_frequent_buyers
profile__in_cart_builders
profile__in_pro_plan
profile__in_engaged
"#);
    assert_snapshot!(names(&["revenue"]), @r#"
metric_time (second)
order__currency
order__ordered_at (second)
order__with_coupon
profile__country
profile__email
profile__first_seen (millisecond)
profile__name
profile__plan
profile__tags
profile__updated_at (millisecond)
profile__in_active_customers
profile__in_recent_viewers
profile__in_frequent_buyers
profile__in_cart_builders
profile__in_pro_plan
profile__in_engaged
"#);
}
