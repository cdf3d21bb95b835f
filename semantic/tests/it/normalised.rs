//! Each rule of normalisation (`semantic-layer.md` 1.6), as a catalog shows it.

use insta::assert_snapshot;
use semantic::{Aggregation, Catalog, CumulativeScope, Metric, MetricKind, SimpleMetric};

use crate::support::catalog;

/// A shop with these measures and metrics.
fn shop(measures: &str, metrics: &str) -> Catalog {
    catalog(&format!(
        "version: 1
time_spine: {{grain: hour, from: 2024-01-01, to: 2030-12-31}}
models:
  - name: days
    time_spine: {{standard_granularity_column: ds, custom_granularities: [{{name: shift}}]}}
    columns: [{{name: ds, granularity: day}}]
semantic_models:
  - name: Orders
    model: shop.orders
    defaults: {{agg_time_dimension: Ordered_At}}
    entities: [{{name: Order, type: primary}}]
    dimensions:
      - {{name: Ordered_At, type: time, type_params: {{time_granularity: DAY}}}}
      - {{name: paid_at, type: time, type_params: {{time_granularity: day}}}}
      - {{name: status, type: categorical}}
    measures: [{measures}]
metrics: [{metrics}]
"
    ))
}

fn metric<'a>(catalog: &'a Catalog, name: &str) -> &'a Metric {
    catalog.metric(name).unwrap_or_else(|| panic!("no metric {name}"))
}

fn simple<'a>(catalog: &'a Catalog, name: &str) -> &'a SimpleMetric {
    match &metric(catalog, name).kind {
        MetricKind::Simple(simple) => simple,
        other => panic!("{other:?}"),
    }
}

/// The metrics a person or a rule has made, one a line.
fn listed(catalog: &Catalog) -> String {
    let lines = catalog.metrics.iter().filter(|m| m.name != "profile_count").map(|m| {
        let of = match &m.kind {
            MetricKind::Simple(s) => format!(
                "{:?} {} by {} fill {:?} spine {}",
                s.agg, s.expr, s.agg_time_dimension, s.fill_nulls_with, s.join_to_timespine
            ),
            MetricKind::Cumulative { input, .. } => {
                format!("sum of {} where {:?}", input.name, input.filters)
            }
            MetricKind::Conversion(c) => format!("{} to {}", c.base.name, c.conversion.name),
            other => other.as_str().to_owned(),
        };
        format!("{}{}: {of}", if m.private { "private " } else { "" }, m.name)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn n1_names_are_lower_case() {
    let shop = shop(
        "{name: Revenue, agg: SUM, agg_time_dimension: Paid_At}",
        "{name: Total, type: SIMPLE, type_params: {measure: REVENUE}}, {name: Half, type: derived, type_params: {expr: total / 2, metrics: [TOTAL]}}",
    );
    assert_eq!(shop.semantic_models[0].name, "orders");
    assert_eq!(shop.semantic_models[0].entities[0].name, "order");
    assert_eq!(shop.semantic_models[0].default_agg_time_dimension.as_deref(), Some("ordered_at"));
    assert_eq!(simple(&shop, "total").agg_time_dimension, "paid_at");
    assert_eq!(metric(&shop, "half").name, "half");
}

#[test]
fn n2_an_element_without_an_expression_is_its_column() {
    let shop =
        shop("{name: revenue, agg: sum}", "{name: total, type: simple, type_params: {measure: revenue}}");
    assert_eq!(shop.semantic_models[0].dimensions[2].expr, "status");
    assert_eq!(shop.semantic_models[0].entities[0].expr, "order");
    // The measure's name, not the metric's.
    assert_eq!(simple(&shop, "total").expr, "revenue");
}

#[test]
fn n3_aggregates_that_mean_the_same_are_the_same() {
    let shop = shop(
        "{name: rows_of, agg: count, expr: 1}, {name: flags, agg: sum_boolean, expr: paid}, {name: middle, agg: median, expr: price}, {name: seen, agg: count, expr: status}",
        "{name: ones, agg: sum, expr: 1, semantic_model: orders}, \
         {name: cased, agg: sum, expr: CASE WHEN paid THEN 1 ELSE 0 END, semantic_model: orders}, \
         {name: p50, agg: percentile, percentile: 0.5, expr: price, semantic_model: orders}, \
         {name: some_status, agg: sum, expr: CASE WHEN status IS NOT NULL THEN 1 ELSE 0 END, semantic_model: orders}, \
         {name: r1, type: cumulative, type_params: {measure: rows_of}}, \
         {name: r2, type: cumulative, type_params: {measure: flags}}, \
         {name: r3, type: cumulative, type_params: {measure: middle}}, \
         {name: r4, type: cumulative, type_params: {measure: seen}}",
    );
    let input = |name: &str| match &metric(&shop, name).kind {
        MetricKind::Cumulative { input, .. } => input.name.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(["r1", "r2", "r3", "r4"].map(input), ["ones", "cased", "p50", "some_status"]);
    // What was declared stays visible.
    assert_eq!(shop.semantic_models[0].measures[0].agg, Aggregation::Count);
}

#[test]
fn n4_measures_may_ask_for_a_metric() {
    let shop = shop(
        "{name: revenue, agg: sum, create_metric: true, create_metric_display_name: All of it}, {name: cost, agg: sum, create_metric: true}, {name: tax, agg: sum}",
        "{name: cost, type: simple, type_params: {measure: revenue}}",
    );
    assert_eq!(metric(&shop, "revenue").label, "All of it");
    assert_eq!(simple(&shop, "cost").measure.as_deref(), Some("revenue"));
    assert!(shop.metric("tax").is_none());
}

#[test]
fn n5_a_simple_metric_aggregates_as_its_measure_does() {
    let shop = shop(
        "{name: balance, agg: max, expr: amount, agg_time_dimension: paid_at, non_additive_dimension: {name: paid_at, window_choice: max}}",
        "{name: open_balance, type: simple, filter: \"{{ Dimension('order__status') }} = 'open'\", type_params: {measure: {name: balance, filter: \"{{ Entity('order') }} > 0\", fill_nulls_with: 3, join_to_timespine: true}}}",
    );
    assert_snapshot!(format!("{:#?}", metric(&shop, "open_balance")), @r#"
Metric {
    name: "open_balance",
    label: "open_balance",
    description: None,
    kind: Simple(
        SimpleMetric {
            model: "orders",
            agg: Max,
            expr: "amount",
            agg_time_dimension: "paid_at",
            non_additive: Some(
                NonAdditive {
                    dimension: "paid_at",
                    window_choice: Max,
                    window_groupings: [],
                },
            ),
            fill_nulls_with: Some(
                3,
            ),
            join_to_timespine: true,
            measure: Some(
                "balance",
            ),
            column_type: None,
        },
    ),
    filters: [
        "{{ Entity('order') }} > 0",
        "{{ Dimension('order__status') }} = 'open'",
    ],
    time_granularity: None,
    private: false,
    meta: None,
}
"#);
}

#[test]
fn n6_measures_that_other_metrics_use_become_metrics() {
    let shop = shop(
        "{name: revenue, agg: sum}, {name: rows_of, agg: count, expr: 1}, {name: cost, agg: sum}",
        "{name: total, type: simple, type_params: {measure: revenue}}, \
         {name: open_total, type: simple, filter: \"{{ Dimension('order__status') }} = 'open'\", type_params: {measure: cost}}, \
         {name: cost_fill_nulls_with_neg_2, agg: min, semantic_model: orders}, \
         {name: r1, type: cumulative, type_params: {measure: {name: revenue, filter: \"{{ Entity('order') }} > 0\"}}}, \
         {name: r2, type: cumulative, type_params: {measure: cost}}, \
         {name: r3, type: cumulative, type_params: {measure: {name: cost, fill_nulls_with: 0, join_to_timespine: true}}}, \
         {name: r4, type: cumulative, type_params: {measure: {name: cost, fill_nulls_with: -2}}}, \
         {name: r5, type: cumulative, type_params: {measure: {name: cost, fill_nulls_with: -2}}}, \
         {name: r6, type: conversion, type_params: {conversion_type_params: {entity: order, base_measure: rows_of, conversion_measure: rows_of}}}",
    );
    assert_snapshot!(listed(&shop), @r#"
total: Sum revenue by ordered_at fill None spine false
open_total: Sum cost by ordered_at fill None spine false
cost_fill_nulls_with_neg_2: Min cost_fill_nulls_with_neg_2 by ordered_at fill None spine false
r1: sum of total where ["{{ Entity('order') }} > 0"]
r2: sum of cost where []
r3: sum of cost_fill_nulls_with_0_join_to_timespine where []
r4: sum of cost_fill_nulls_with_neg_2_1 where []
r5: sum of cost_fill_nulls_with_neg_2_1 where []
r6: rows_of to rows_of
private cost: Sum cost by ordered_at fill None spine false
private cost_fill_nulls_with_0_join_to_timespine: Sum cost by ordered_at fill Some(0) spine true
private cost_fill_nulls_with_neg_2_1: Sum cost by ordered_at fill Some(-2) spine false
private rows_of: Count 1 by ordered_at fill None spine false
"#);
}

#[test]
fn n7_windows_of_older_files_are_read_where_they_stand() {
    let shop = shop(
        "{name: revenue, agg: sum}",
        "{name: r1, type: cumulative, type_params: {measure: revenue, window: 7 days}}, \
         {name: r2, type: cumulative, type_params: {measure: revenue, grain_to_date: month, cumulative_type_params: {period_agg: last}}}",
    );
    let scope = |name: &str| match &metric(&shop, name).kind {
        MetricKind::Cumulative { scope: CumulativeScope::Window(window), period_agg, .. } => {
            format!("{window} {period_agg:?}")
        }
        MetricKind::Cumulative { scope: CumulativeScope::GrainToDate(grain), period_agg, .. } => {
            format!("to {grain} {period_agg:?}")
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(scope("r1"), "7 days First");
    assert_eq!(scope("r2"), "to month Last");
}

#[test]
fn n8_window_grains_are_singular_and_lower_case() {
    let shop = shop(
        "{name: revenue, agg: sum, create_metric: true}",
        "{name: d1, type: derived, type_params: {expr: revenue, metrics: [{name: revenue, offset_window: 2 Shifts}]}}, \
         {name: d2, type: derived, type_params: {expr: revenue, metrics: [{name: revenue, offset_window: 1 WEEKS}]}}",
    );
    let window = |name: &str| match &metric(&shop, name).kind {
        MetricKind::Derived { inputs, .. } => {
            inputs[0].offset_window.clone().unwrap().grain.as_str().to_owned()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!((window("d1").as_str(), window("d2").as_str()), ("shift", "week"));
}

#[test]
fn n9_time_is_the_metric_s_then_the_measure_s_then_the_model_s() {
    let shop = shop(
        "{name: revenue, agg: sum}, {name: paid, agg: sum, agg_time_dimension: paid_at}",
        "{name: m1, type: simple, type_params: {measure: revenue}}, \
         {name: m2, type: simple, type_params: {measure: paid}}, \
         {name: m3, agg: sum, semantic_model: orders, agg_time_dimension: paid_at}, \
         {name: m4, agg: sum, semantic_model: orders}",
    );
    let times = ["m1", "m2", "m3", "m4"].map(|name| simple(&shop, name).agg_time_dimension.as_str());
    assert_eq!(times, ["ordered_at", "paid_at", "paid_at", "ordered_at"]);
}

#[test]
fn n10_private_metrics_are_marked_in_every_form() {
    let shop = shop(
        "{name: revenue, agg: sum}",
        "{name: m1, type: simple, type_params: {measure: revenue, is_private: true}}, \
         {name: m2, agg: sum, semantic_model: orders, hidden: true}, \
         {name: m3, type: ratio, numerator: m1, denominator: m2}",
    );
    let private: Vec<&str> = shop.metrics.iter().filter(|m| m.private).map(|m| m.name.as_str()).collect();
    assert_eq!(private, ["m1", "m2"]);
    // Views show none of them.
    let all = shop.metric_views.iter().find(|v| v.name == "all").unwrap();
    assert_eq!(all.metrics, ["m3", "profile_count"]);
}
