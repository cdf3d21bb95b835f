//! Each rule of validation (`semantic-layer.md` 1.7) with the text it speaks.

use insta::assert_snapshot;

use crate::support::{read, shown};

const MODELS: &str = "\
version: 1
time_spine: {grain: day, from: 2024-01-01, to: 2030-12-31}
semantic_models:
  - name: orders
    model: shop.orders
    defaults: {agg_time_dimension: ordered_at}
    entities: [{name: order, type: primary}, {name: user, type: foreign}]
    dimensions:
      - {name: ordered_at, type: time, type_params: {time_granularity: day}}
      - {name: month_of, type: time, type_params: {time_granularity: month}}
      - {name: status, type: categorical}
    measures:
      - {name: order_count, agg: count, expr: 1}
      - {name: revenue, agg: sum}
  - name: visits
    model: shop.visits
    defaults: {agg_time_dimension: seen_at}
    entities: [{name: visit, type: primary}, {name: user, type: foreign}]
    dimensions: [{name: seen_at, type: time, type_params: {time_granularity: day}}]
    measures: [{name: visit_count, agg: count, expr: 1}]
  - name: users
    model: shop.users
    entities: [{name: user, type: primary}]
    dimensions: [{name: country, type: categorical}]
metrics:
  - {name: orders, type: simple, type_params: {measure: order_count}}
  - {name: revenue, type: simple, type_params: {measure: revenue}}
  - {name: visits, type: simple, type_params: {measure: visit_count}}
";

/// A model beside those above, of these lines.
fn model(lines: &str) -> String {
    let model = "  - name: extra\n    model: shop.extra\n";
    told(&MODELS.replacen("metrics:\n", &format!("{model}{lines}metrics:\n"), 1))
}

/// Metrics beside those above, one a line.
fn metrics(lines: &[&str]) -> String {
    told(&lines.iter().fold(MODELS.to_owned(), |yaml, line| yaml + "  - " + line + "\n"))
}

/// Lines at the top level.
fn top(lines: &str) -> String {
    told(&format!("{MODELS}{lines}"))
}

/// What is said, with the line counted from the end of what every test has.
fn told(yaml: &str) -> String {
    shown(&read(&[("shop.yaml", yaml)]))
}

#[test]
fn what_the_rules_build_on_is_right() {
    assert_snapshot!(told(MODELS), @"");
}

#[test]
fn v1_names_are_plain() {
    assert_snapshot!(metrics(&[
        "{name: Foo__x, type: simple, type_params: {measure: revenue}}",
        "{name: x, type: simple, type_params: {measure: revenue}}",
        "{name: 1st, type: simple, type_params: {measure: revenue}}",
        "{name: ends_, type: simple, type_params: {measure: revenue}}",
        "{name: Total_Revenue, type: simple, type_params: {measure: revenue}}",
    ]), @r#"
shop.yaml:29:12: 'Foo__x' is not a valid name: use lower case letters, digits and single underscores, start with a letter, at least 2 characters [bad_name]
shop.yaml:30:12: 'x' is not a valid name: use lower case letters, digits and single underscores, start with a letter, at least 2 characters [bad_name]
shop.yaml:31:12: '1st' is not a valid name: use lower case letters, digits and single underscores, start with a letter, at least 2 characters [bad_name]
shop.yaml:32:12: 'ends_' is not a valid name: use lower case letters, digits and single underscores, start with a letter, at least 2 characters [bad_name]
"#);
}

#[test]
fn v2_some_names_are_taken_by_others() {
    assert_snapshot!(metrics(&[
        "{name: day, type: simple, type_params: {measure: revenue}}",
        "{name: metric_time, type: simple, type_params: {measure: revenue}}",
        "{name: mf_internal_uuid, type: simple, type_params: {measure: revenue}}",
        "{name: select, type: simple, type_params: {measure: revenue}}",
        "{name: value, type: simple, type_params: {measure: revenue}}",
    ]), @r#"
shop.yaml:29:12: 'day' is reserved (time grain); choose another name [reserved_name]
shop.yaml:30:12: 'metric_time' is reserved; choose another name [reserved_name]
shop.yaml:31:12: 'mf_internal_uuid' is reserved; choose another name [reserved_name]
shop.yaml:32:12: 'select' is reserved; choose another name [reserved_name]
"#);
}

#[test]
fn v3_a_name_is_one_thing() {
    assert_snapshot!(model("    entities: [{name: extra_key, type: primary}, {name: status_of, type: foreign}]
    dimensions: [{name: status_of, type: categorical}]
  - name: orders
    model: shop.again
"), @r#"
shop.yaml:27:57: warning: entity 'status_of' occurs in one model only, so nothing can join to it [lonely_entity]
shop.yaml:28:25: 'status_of' is already the entity at line 27 [duplicate_name]
shop.yaml:29:11: 'orders' is already the model at line 4 [duplicate_name]
"#);
    assert_snapshot!(top("  - {name: orders, type: simple, type_params: {measure: revenue}}
models:
  - name: days
    time_spine: {standard_granularity_column: ds, custom_granularities: [{name: fiscal}, {name: fiscal}, {name: status}, {name: week}]}
    columns: [{name: ds, granularity: hour}]
saved_queries:
  - {name: top, query_params: {metrics: [revenue]}}
  - {name: top, query_params: {metrics: [revenue]}}
metric_views:
  - {name: sales, metrics: [revenue]}
  - {name: sales, metrics: [orders]}
"), @r#"
shop.yaml:11:16: 'status' is already the custom grain at line 32 [duplicate_name]
shop.yaml:29:12: 'orders' is already the metric at line 26 [duplicate_name]
shop.yaml:32:97: 'fiscal' is already the custom grain at line 32 [duplicate_name]
shop.yaml:32:129: 'week' is reserved (time grain); choose another name [reserved_name]
shop.yaml:36:12: 'top' is already the saved query at line 35 [duplicate_name]
shop.yaml:39:12: 'sales' is already the metric view at line 38 [duplicate_name]
"#);
}

#[test]
fn v4_a_model_with_dimensions_has_one_primary_entity() {
    assert_snapshot!(model("    dimensions: [{name: kind_of, type: categorical}]
  - name: two
    model: shop.two
    entities: [{name: one_key, type: primary}, {name: two_key, type: primary}]
  - name: both
    model: shop.both
    primary_entity: other_key
    entities: [{name: both_key, type: primary}]
"), @r#"
shop.yaml:25:11: model 'extra' has dimensions but no primary entity: mark one entity as primary or set primary_entity [bad_model]
shop.yaml:30:55: model 'two' has two primary entities, 'one_key' and 'two_key' [bad_model]
shop.yaml:33:21: primary_entity is set although the entity 'both_key' is primary; remove one [bad_model]
"#);
}

#[test]
fn v5_a_qualified_name_is_of_one_model() {
    assert_snapshot!(model("    entities: [{name: user, type: primary}]
    dimensions: [{name: country, type: categorical}]
"), @r#"
shop.yaml:28:25: 'user__country' is defined by models 'users' and 'extra'; a dimension name must be unique per primary entity [duplicate_name]
"#);
}

#[test]
fn v6_a_name_is_the_same_kind_everywhere() {
    assert_snapshot!(model("    entities: [{name: extra_key, type: primary}, {name: country, type: unique}]
    dimensions:
      - {name: ordered_at, type: categorical}
      - {name: month_of, type: time, is_partition: true, type_params: {time_granularity: month}}
  - name: users_too
    model: shop.users_too
    entities: [{name: user, type: primary}, {name: country, type: foreign}]
"), @r#"
shop.yaml:27:57: warning: 'country' is a dimension in 'users' but an entity in 'extra' [mixed_dimension]
shop.yaml:29:16: warning: 'ordered_at' is a time dimension in 'orders' but categorical in 'extra' [mixed_dimension]
shop.yaml:30:16: warning: 'month_of' is no partition in 'orders' but a partition in 'extra' [mixed_dimension]
shop.yaml:33:52: 'country' is a dimension in 'users' but an entity in 'users_too' [mixed_dimension]
"#);
}

#[test]
fn v7_aggregates_go_by_a_time_dimension() {
    assert_snapshot!(model("    defaults: {agg_time_dimension: orderd_at}
    entities: [{name: extra_key, type: primary}]
    dimensions: [{name: orderd_on, type: time, type_params: {time_granularity: day}}, {name: kind_of, type: categorical}]
    measures: [{name: total, agg: sum, agg_time_dimension: kind_of}]
  - name: timeless
    model: shop.timeless
    entities: [{name: timeless_key, type: primary}]
    measures: [{name: rows_of, agg: count, expr: 1}]
"), @r#"
shop.yaml:27:36: 'orderd_at' is not a time dimension of model 'extra', did you mean 'orderd_on'? [unknown_time_dimension]
shop.yaml:30:60: measure 'total': 'kind_of' is not a time dimension of model 'extra' [unknown_time_dimension]
shop.yaml:34:23: measure 'rows_of' has no time dimension: set agg_time_dimension, or defaults of model 'timeless' [unknown_time_dimension]
"#);
    assert_snapshot!(metrics(&[
        "{name: total, agg: sum, semantic_model: orders, agg_time_dimension: orderd_at}",
        "{name: timeless, agg: count, expr: 1, semantic_model: users}",
    ]), @r#"
shop.yaml:29:73: metric 'total': 'orderd_at' is not a time dimension of model 'orders', did you mean 'ordered_at'? [unknown_time_dimension]
shop.yaml:30:12: metric 'timeless' has no time dimension: set agg_time_dimension, or that of model 'users' [unknown_time_dimension]
"#);
}

#[test]
fn v8_time_has_a_grain() {
    assert_snapshot!(model("    entities: [{name: extra_key, type: primary}]
    dimensions: [{name: happened_at, type: time}]
"), @r#"
shop.yaml:28:25: time dimension 'happened_at' needs a time_granularity [missing_granularity]
"#);
    assert_snapshot!(top("models:
  - name: latest
    semantic_model: {enabled: true}
    primary_entity: latest_key
    columns: [{name: happened_at, dimension: time}]
"), @r#"
shop.yaml:33:22: time dimension 'happened_at' needs a granularity [missing_granularity]
"#);
}

#[test]
fn v9_what_is_named_exists() {
    assert_snapshot!(metrics(&[
        "{name: aov, type: ratio, type_params: {numerator: revenu, denominator: order_cnt}}",
        "{name: one, type: simple, type_params: {measure: revenu}}",
        "{name: two, agg: sum, semantic_model: order}",
        "{name: mtd, type: cumulative, type_params: {measure: revenu, grain_to_date: month}}",
    ]), @r#"
shop.yaml:29:55: metric 'aov': input metric 'revenu' does not exist, did you mean 'revenue'? [unknown_input]
shop.yaml:29:76: metric 'aov': input metric 'order_cnt' does not exist [unknown_input]
shop.yaml:30:54: metric 'one': measure 'revenu' does not exist, did you mean 'revenue'? [unknown_input]
shop.yaml:31:43: metric 'two': model 'order' does not exist, did you mean 'orders'? [unknown_input]
shop.yaml:32:58: metric 'mtd': measure 'revenu' does not exist, did you mean 'revenue'? [unknown_input]
"#);
}

#[test]
fn v10_a_simple_metric_aggregates_once() {
    assert_snapshot!(metrics(&[
        "{name: ab, type: simple, type_params: {}}",
        "{name: cd, type: simple}",
        "{name: ef, type: simple, type_params: {measure: revenue, metric_aggregation_params: {semantic_model: orders, agg: min}}}",
        "{name: gh, type: simple, type_params: {measure: revenue, expr: price}}",
    ]), @r#"
shop.yaml:29:43: metric 'ab' needs agg (or a measure) [bad_metric]
shop.yaml:30:12: metric 'cd' needs agg (or a measure) [bad_metric]
shop.yaml:31:43: warning: metric 'ef' has a measure and its own agg; the measure is ignored [two_aggregates]
shop.yaml:32:68: warning: metric 'gh': expr is ignored, the measure's is used [ignored_expr]
"#);
}

#[test]
fn v11_counts_say_what_they_count() {
    assert_snapshot!(metrics(&[
        "{name: ab, agg: count, semantic_model: orders}",
        "{name: cd, agg: count, expr: distinct user_id, semantic_model: orders}",
    ]), @r#"
shop.yaml:29:21: metric 'ab': count needs an expr; use expr: 1 to count rows [bad_measure]
shop.yaml:30:34: metric 'cd': distinct inside expr; use agg: count_distinct [bad_measure]
"#);
}

#[test]
fn v12_percentiles_lie_between_0_and_1() {
    assert_snapshot!(metrics(&[
        "{name: p95, agg: percentile, expr: price, percentile: 95, semantic_model: orders}",
        "{name: p96, agg: percentile, expr: price, semantic_model: orders}",
        "{name: p97, agg: percentile, expr: price, percentile: 1, semantic_model: orders}",
        "{name: p98, agg: sum, expr: price, percentile: 0.5, semantic_model: orders}",
        "{name: p99, agg: median, expr: price, percentile: 0.9, semantic_model: orders}",
        "{name: p50, agg: median, expr: price, percentile_type: discrete, semantic_model: orders}",
        "{name: p55, agg: percentile, expr: price, percentile: 0.55, percentile_type: discrete, semantic_model: orders}",
    ]), @r#"
shop.yaml:29:59: metric 'p95': percentile is 95, must lie between 0 and 1, e.g. 0.95 [bad_percentile]
shop.yaml:30:22: metric 'p96': percentile is missing, must lie between 0 and 1, e.g. 0.95 [bad_percentile]
shop.yaml:31:59: metric 'p97': percentile is 1, must lie between 0 and 1, e.g. 0.95 [bad_percentile]
shop.yaml:32:52: metric 'p98': percentile keys belong to agg: percentile, not sum [bad_percentile]
shop.yaml:33:55: metric 'p99': percentile is 0.9, but a median is 0.5; use agg: percentile [bad_percentile]
shop.yaml:34:60: metric 'p50': a median is continuous; use agg: percentile for a discrete one [bad_percentile]
"#);
}

#[test]
fn v13_semi_additive_measures_are_reduced_over_their_own_time() {
    assert_snapshot!(metrics(&[
        "{name: ab, agg: sum, semantic_model: orders, non_additive_dimension: {name: ordered, window_agg: max}}",
        "{name: cd, agg: sum, semantic_model: orders, non_additive_dimension: {name: status, window_agg: max}}",
        "{name: ef, agg: sum, semantic_model: orders, non_additive_dimension: {name: month_of, window_agg: max}}",
        "{name: balance, agg: sum, semantic_model: orders, non_additive_dimension: {name: ordered_at, window_agg: max, group_by: [usr]}}",
    ]), @r#"
shop.yaml:29:81: metric 'ab': 'ordered' is not a time dimension of model 'orders' [unknown_time_dimension]
shop.yaml:30:81: metric 'cd': 'status' is not a time dimension of model 'orders' [unknown_time_dimension]
shop.yaml:31:81: metric 'ef': non_additive_dimension 'month_of' has the grain month, but 'ordered_at' has day [bad_non_additive]
shop.yaml:32:126: metric 'balance': window grouping 'usr' is not an entity of model 'orders', did you mean 'user'? [bad_non_additive]
"#);
}

#[test]
fn v14_a_validity_window_has_two_ends_and_a_natural_key() {
    assert_snapshot!(model("    entities: [{name: extra_key, type: primary}]
    dimensions: [{name: valid_from, type: time, type_params: {time_granularity: day, validity_params: {is_start: true}}}]
  - name: prices
    model: shop.prices
    primary_entity: price
    defaults: {agg_time_dimension: from_day}
    entities: [{name: product, type: natural}]
    dimensions:
      - {name: from_day, type: time, type_params: {time_granularity: day, validity_params: {is_start: true}}}
      - {name: to_day, type: time, type_params: {time_granularity: day, validity_params: {is_end: true}}}
    measures: [{name: price_sum, agg: sum}]
"), @r#"
shop.yaml:25:11: model 'extra' has 1 start and 0 end dimensions of its validity window, it needs one of each [bad_model]
shop.yaml:25:11: model 'extra' has a validity window but no entity of type natural [bad_model]
shop.yaml:27:23: model 'extra' has a validity window, so its key 'extra_key' repeats: make it natural or foreign [bad_model]
shop.yaml:37:23: model 'prices' has a validity window, so it cannot define measures; put them in another model [bad_model]
"#);
    assert_snapshot!(top("models:
  - name: rates
    semantic_model: {enabled: true}
    primary_entity: rate
    agg_time_dimension: from_day
    columns:
      - {name: product, entity: natural}
      - {name: from_day, granularity: day, dimension: {type: time, validity_params: {is_start: true}}}
      - {name: to_day, granularity: day, dimension: {type: time, validity_params: {is_end: true}}}
    metrics: [{name: rate_sum, agg: sum}]
"), @r#"
shop.yaml:38:22: model 'rates' has a validity window, so it cannot define measures; put them in another model [bad_model]
"#);
}

#[test]
fn v15_a_natural_key_has_a_validity_window() {
    assert_snapshot!(model("    entities: [{name: listing, type: natural}, {name: other, type: natural}]\n"), @r#"
shop.yaml:27:23: natural entity 'listing' needs is_start and is_end dimensions in model 'extra' [bad_model]
shop.yaml:27:55: model 'extra' has two natural entities, 'listing' and 'other' [bad_model]
"#);
}

#[test]
fn v16_a_cumulative_metric_has_one_scope() {
    assert_snapshot!(metrics(&[
        "{name: ab, type: cumulative, type_params: {measure: revenue, cumulative_type_params: {window: 7 days, grain_to_date: month}}}",
        "{name: cd, type: cumulative, type_params: {measure: revenue, window: 7 days, cumulative_type_params: {window: 8 days}}}",
        "{name: ef, type: cumulative, type_params: {measure: revenue, grain_to_date: year, cumulative_type_params: {grain_to_date: month}}}",
        "{name: gh, type: cumulative, type_params: {measure: revenue, window: 7 days, cumulative_type_params: {window: 7 days}}}",
    ]), @r#"
shop.yaml:29:122: metric 'ab': set either window or grain_to_date, not both [bad_window]
shop.yaml:30:74: metric 'cd': window is '7 days' here but '8 days' in cumulative_type_params; remove one [bad_window]
shop.yaml:31:81: metric 'ef': grain_to_date is 'year' here but 'month' in cumulative_type_params; remove one [bad_window]
"#);
}

#[test]
fn v17_an_input_is_moved_once() {
    assert_snapshot!(metrics(&[
        "{name: ab, type: derived, expr: revenue, input_metrics: [{name: revenue, offset_window: 1 month, offset_to_grain: month}]}",
    ]), @r#"
shop.yaml:29:119: metric 'ab', input 'revenue': set either offset_window or offset_to_grain [bad_offset]
"#);
}

#[test]
fn v18_custom_grains_are_for_offset_windows() {
    assert_snapshot!(top("  - {name: ab, type: cumulative, input_metric: revenue, grain_to_date: fiscal_quarter}
  - {name: cd, type: cumulative, input_metric: revenue, window: 2 fiscal_quarters}
  - {name: ef, type: derived, expr: revenue, input_metrics: [{name: revenue, offset_to_grain: fiscal_quarter}]}
  - {name: gh, type: conversion, entity: user, base_metric: visits, conversion_metric: orders, window: 1 fiscal_quarter}
  - {name: ij, type: derived, expr: revenue, input_metrics: [{name: revenue, offset_window: 2 fiscal_quarters}]}
models:
  - name: days
    time_spine: {standard_granularity_column: ds, custom_granularities: [{name: fiscal_quarter}]}
    columns: [{name: ds, granularity: hour}]
"), @r#"
shop.yaml:29:72: metric 'ab': grain_to_date accepts standard grains only, 'fiscal_quarter' is custom [custom_grain]
shop.yaml:30:65: metric 'cd': window accepts standard grains only, 'fiscal_quarter' is custom [custom_grain]
shop.yaml:31:95: metric 'ef': offset_to_grain accepts standard grains only, 'fiscal_quarter' is custom [custom_grain]
shop.yaml:32:104: metric 'gh': window accepts standard grains only, 'fiscal_quarter' is custom [custom_grain]
"#);
}

#[test]
fn v19_inputs_have_names_of_their_own() {
    assert_snapshot!(metrics(&[
        "{name: ab, type: derived, expr: revenue + 1, input_metrics: []}",
        "{name: cd, type: derived, expr: revenue + orders, input_metrics: [orders, {name: revenue, alias: orders}]}",
        "{name: ef, type: derived, expr: both, input_metrics: [{name: orders, alias: both}, {name: revenue, alias: both}]}",
    ]), @r#"
shop.yaml:29:12: metric 'ab' is derived but has no inputs [bad_metric]
shop.yaml:30:37: metric 'cd': 'revenue' in its expr is not an input [unknown_input]
shop.yaml:30:102: metric 'cd': alias 'orders' is already the name of an input [duplicate_alias]
shop.yaml:31:111: metric 'ef': alias 'both' is already the alias of an input [duplicate_alias]
"#);
}

#[test]
fn v20_inputs_are_used() {
    assert_snapshot!(metrics(&[
        "{name: ab, type: derived, expr: revenue * 2, input_metrics: [revenue, orders]}",
        "{name: cd, type: derived, expr: revenue_before, input_metrics: [{name: revenue, alias: before}]}",
        "{name: ef, type: derived, expr: Revenue * 2, input_metrics: [revenue]}",
    ]), @r#"
shop.yaml:29:75: warning: metric 'ab': input 'orders' is not used in its expr [unused_input]
shop.yaml:30:37: metric 'cd': 'revenue_before' in its expr is not an input [unknown_input]
shop.yaml:30:92: warning: metric 'cd': input 'before' is not used in its expr [unused_input]
"#);
}

#[test]
fn v21_a_metric_used_twice_is_called_twice() {
    assert_snapshot!(metrics(&[
        "{name: ab, type: derived, expr: revenue, input_metrics: [revenue, {name: revenue, filter: \"{{ Dimension('order__status') }} = 'x'\"}]}",
        "{name: cd, type: derived, expr: revenue, input_metrics: [revenue, {name: revenue, offset_window: 1 day}]}",
        "{name: ef, type: derived, expr: revenue - before, input_metrics: [revenue, {name: revenue, alias: before, offset_window: 1 day}]}",
    ]), @r#"
shop.yaml:29:78: metric 'ab' uses 'revenue' twice with different filters; give each an alias [duplicate_alias]
shop.yaml:30:78: metric 'cd' uses 'revenue' twice with different offsets; give each an alias [duplicate_alias]
"#);
}

#[test]
fn v22_windows_grains_and_words_are_known() {
    assert_snapshot!(metrics(&[
        "{name: ab, type: cumulative, input_metric: revenue, window: 30d}",
        "{name: cd, type: cumulative, input_metric: revenue, window: 2  weeks}",
        "{name: ef, type: cumulative, input_metric: revenue, window: 0 days}",
        "{name: gh, type: cumulative, input_metric: revenue, window: 3 fortnights}",
        "{name: ij, type: cumulative, input_metric: revenue, grain_to_date: mont}",
        "{name: kl, type: cumulative, input_metric: revenue, period_agg: sum}",
        "{name: mn, agg: summ, semantic_model: orders}",
        "{name: op, type: cumulativ, input_metric: revenue}",
        "{name: qr, type: cumulative, input_metric: revenue, window: 1 DAYS}",
    ]), @r#"
shop.yaml:29:65: '30d' is not a window; write '<count> <grain>', e.g. '30 days' [bad_window]
shop.yaml:30:65: '2  weeks' is not a window; write '<count> <grain>', e.g. '2 weeks' [bad_window]
shop.yaml:31:65: '0 days' is not a window; write '<count> <grain>', e.g. '30 days' [bad_window]
shop.yaml:32:65: 'fortnights' is not a grain [unknown_grain]
shop.yaml:33:72: 'mont' is not a grain, did you mean 'month'? [unknown_grain]
shop.yaml:34:69: 'sum' is not a period_agg; use first, last, average [bad_value]
shop.yaml:35:21: 'summ' is not an agg; use sum, min, max, average, count, count_distinct, sum_boolean, median, percentile, approx_count_distinct, did you mean 'sum'? [bad_value]
shop.yaml:36:22: 'cumulativ' is not a type; use simple, ratio, derived, cumulative, conversion, did you mean 'cumulative'? [bad_value]
"#);
}

#[test]
fn v23_a_conversion_counts_what_both_sides_have() {
    assert_snapshot!(metrics(&[
        "{name: ab, type: conversion, entity: usr, base_metric: visits, conversion_metric: orders}",
        "{name: cd, type: conversion, entity: visit, base_metric: visits, conversion_metric: orders}",
        "{name: ef, type: conversion, entity: user, base_metric: visits, conversion_metric: revenue}",
        "{name: gh, type: conversion, entity: user, base_metric: per_visit, conversion_metric: orders}",
        "{name: ij, type: conversion, entity: user, base_metric: visits, conversion_metric: orders, constant_properties: [{base_property: visit, conversion_property: statuss}]}",
        "{name: per_visit, type: ratio, numerator: orders, denominator: visits}",
    ]), @r#"
shop.yaml:29:42: metric 'ab': entity 'usr' is missing in model 'visits', did you mean 'user'? [missing_element]
shop.yaml:29:42: metric 'ab': entity 'usr' is missing in model 'orders', did you mean 'user'? [missing_element]
shop.yaml:30:42: metric 'cd': entity 'visit' is missing in model 'orders' [missing_element]
shop.yaml:31:88: metric 'ef': input 'revenue' must count: agg count, count_distinct, or sum of 1 [bad_input]
shop.yaml:32:61: metric 'gh': input 'per_visit' must be a simple metric, it is ratio [bad_input]
shop.yaml:33:162: metric 'ij': constant property 'statuss' is missing in model 'orders', did you mean 'status'? [missing_element]
"#);
}

#[test]
fn v24_a_filter_on_the_conversion_side_is_pointed_out() {
    assert_snapshot!(metrics(&[
        "{name: ab, type: conversion, entity: user, base_metric: visits, conversion_metric: {name: orders, filter: \"{{ Dimension('order__status') }} = 'x'\"}}",
    ]), @r#"
shop.yaml:29:111: warning: metric 'ab': a filter on the conversion side is applied before matching [conversion_filter]
"#);
}

#[test]
fn v25_keys_of_simple_metrics_stay_there() {
    assert_snapshot!(metrics(&[
        "{name: ab, type: derived, expr: revenue, input_metrics: [revenue], fill_nulls_with: 0}",
        "{name: cd, type: ratio, numerator: revenue, denominator: orders, join_to_timespine: true, agg: sum}",
        "{name: ef, type: derived, type_params: {expr: revenue, metrics: [revenue], fill_nulls_with: 0}}",
    ]), @r#"
shop.yaml:29:72: metric 'ab' is derived; fill_nulls_with belongs on its simple inputs [not_simple]
shop.yaml:30:70: metric 'cd' is ratio; join_to_timespine belongs on its simple inputs [not_simple]
shop.yaml:30:95: metric 'cd' is ratio; agg belongs on its simple inputs [not_simple]
shop.yaml:31:80: metric 'ef' is derived; fill_nulls_with belongs on its simple inputs [not_simple]
"#);
}

#[test]
fn v26_a_metric_is_not_finer_than_its_inputs() {
    assert_snapshot!(metrics(&[
        "{name: monthly, agg: sum, expr: price, semantic_model: orders, agg_time_dimension: month_of}",
        "{name: ab, type: ratio, numerator: revenue, denominator: monthly, time_granularity: day}",
        "{name: cd, agg: sum, expr: price, semantic_model: orders, agg_time_dimension: month_of, time_granularity: week}",
        "{name: ef, type: ratio, numerator: revenue, denominator: monthly, time_granularity: quarter}",
    ]), @r#"
shop.yaml:30:89: metric 'ab': granularity day is finer than month of 'monthly' [bad_granularity]
shop.yaml:31:111: metric 'cd': granularity week is finer than month of 'month_of' [bad_granularity]
"#);
}

#[test]
fn v27_filters_resolve() {
    assert_snapshot!(metrics(&[
        "{name: ab, agg: sum, expr: price, semantic_model: orders, filter: \"{{ Dimension('user__contry') }} = 'x'\"}",
        "{name: cd, agg: sum, expr: price, semantic_model: orders, filter: \"{{ Dimension('order__status') }} = 'x\"}",
        "{name: ef, type: ratio, numerator: {name: revenue, filter: \"{{ Dimension('order__stat') }} = 'x'\"}, denominator: orders}",
        "{name: gh, agg: sum, expr: price, semantic_model: orders, filter: \"{{ TimeDimension('order__ordered_at', 'wek') }} > '2024-01-01'\"}",
    ]), @r#"
shop.yaml:29:71: filter of metric 'ab', column 1: unknown dimension 'user__contry', did you mean 'user__country'? [bad_filter]
shop.yaml:30:71: filter of metric 'cd': Unterminated string literal [bad_filter]
shop.yaml:31:64: filter of metric 'ef', column 1: unknown dimension 'order__stat', did you mean 'order__status'? [bad_filter]
shop.yaml:32:71: filter of metric 'gh', column 1: unknown grain 'wek', did you mean 'week'? [bad_filter]
"#);
}

#[test]
fn v28_saved_queries_can_be_answered() {
    assert_snapshot!(top("saved_queries:
  - {name: ab, query_params: {metrics: [revenu], group_by: [metric_time]}}
  - {name: cd, query_params: {metrics: [revenue], group_by: [\"Dimension('user__contry')\"]}}
  - {name: ef, query_params: {metrics: [revenue], group_by: [user__country], order_by: [views]}}
  - {name: gh, query_params: {metrics: [revenue], limit: -1}}
  - {name: ij, query_params: {metrics: [revenue], where: \"{{ Dimension('order__stat') }} = 'x'\"}}
  - {name: kl, query_params: {metrics: [revenue], group_by: [\"TimeDimension('metric_time', 'month')\"], order_by: [\"-metric_time\", \"Metric('revenue').descending(True)\"]}}
metric_views:
  - {name: sales, metrics: [revenu]}
  - {name: more, metrics: [revenue], dimensions: [user__contry, {name: user__country, as: revenue}]}
"), @r#"
shop.yaml:30:41: saved query 'ab': metric 'revenu' does not exist, did you mean 'revenue'? [unknown_input]
shop.yaml:31:62: saved query 'cd': 'user__contry' is not available for metric 'revenue': no such dimension, or no join path without fan-out, did you mean 'user__country'? [bad_saved_query]
shop.yaml:32:89: saved query 'ef': order_by 'views' is not in its metrics or group_by [bad_saved_query]
shop.yaml:33:58: saved query 'gh': limit is -1, must be 0 or more [bad_saved_query]
shop.yaml:34:58: saved query 'ij': filter, column 1: unknown dimension 'order__stat', did you mean 'order__status'? [bad_saved_query]
shop.yaml:37:29: metric view 'sales': metric 'revenu' does not exist, did you mean 'revenue'? [unknown_input]
shop.yaml:38:51: metric view 'more': its metrics cannot be grouped by 'user__contry', did you mean 'user__country'? [bad_metric_view]
shop.yaml:38:65: metric view 'more': two columns would be called 'revenue'; write as: .. [duplicate_name]
"#);
}

#[test]
fn v29_what_leads_nowhere_is_pointed_out() {
    assert_snapshot!(model("    entities: [{name: extra_key, type: primary}, {name: coupon, type: foreign}]\n"), @r#"
shop.yaml:27:57: warning: entity 'coupon' occurs in one model only, so nothing can join to it [lonely_entity]
"#);
    assert_snapshot!(metrics(&[
        "{name: rate_a, type: ratio, numerator: rate_b, denominator: revenue}",
        "{name: rate_b, type: ratio, numerator: rate_a, denominator: revenue}",
        "{name: above, type: ratio, numerator: rate_a, denominator: revenue}",
    ]), @r#"
shop.yaml:29:12: metric 'rate_a' is computed from itself [metric_cycle]
shop.yaml:30:12: metric 'rate_b' is computed from itself [metric_cycle]
"#);
    let no_spine = MODELS.replace("time_spine:", "#");
    let mtd = "  - {name: mtd, type: cumulative, input_metric: revenue, grain_to_date: month}\n";
    assert_snapshot!(told(&format!("{no_spine}{mtd}")), @r#"
shop.yaml:29:12: warning: metric 'mtd' is cumulative and needs a time spine, but none is declared [no_spine]
"#);
    let monthly = MODELS.replace("grain: day,", "grain: month,");
    assert_snapshot!(told(&format!("{monthly}{mtd}")), @r#"
shop.yaml:29:12: warning: metric 'mtd' has times of grain day, finer than every time spine: it is computed by month [no_fine_spine]
"#);
    assert_snapshot!(top("models:
  - name: days
    time_spine: {standard_granularity_column: ds}
    columns: [{name: ds, granularity: day}]
"), @r#"
shop.yaml:31:17: warning: the generated time spine and time spine warehouse.days both have the grain day; the first one is used [two_spines]
"#);
}

#[test]
fn v30_a_label_is_one_thing() {
    assert_snapshot!(metrics(&[
        "{name: ab, agg: sum, expr: price, semantic_model: orders, label: Revenue}",
        "{name: cd, agg: min, expr: price, semantic_model: orders, label: Revenue}",
    ]), @r#"
shop.yaml:30:70: label 'Revenue' is used by metrics 'ab' and 'cd' [duplicate_label]
"#);
    assert_snapshot!(model("    label: Things
    entities: [{name: extra_key, type: primary, label: Key}, {name: user, type: foreign, label: Person}]
    dimensions: [{name: kind_of, type: categorical, label: Key}]
  - name: more
    model: shop.more
    label: Things
    entities: [{name: user, type: foreign, label: People}]
"), @r#"
shop.yaml:29:60: label 'Key' is used by 'extra_key' and 'kind_of' of model 'extra' [duplicate_label]
shop.yaml:32:12: label 'Things' is used by models 'extra' and 'more' [duplicate_label]
shop.yaml:33:51: entity 'user' has the label 'Person' in model 'extra' but 'People' in 'more' [duplicate_label]
"#);
}
