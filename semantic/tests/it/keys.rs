//! A key that is not known is a slip wherever a person writes it, and something newer in a manifest.

use crate::support::{read, shown};

/// Every mapping of our format and of both specs of dbt. `%` marks where a key may be added.
const YAML: &str = r#"
{%version: 1,
tracking_plan: {%unplanned_events: accept, events: [{%name: Seen, properties: {price: {%type: float64}}}]},
time_spine: {%grain: day, from: 2024-01-01, to: 2030-12-31},
semantic_models: [
  {%name: orders, model: shop.orders, defaults: {%agg_time_dimension: ordered_at}, config: {%enabled: true, meta: {any: thing}},
   entities: [{%name: order, type: primary, config: {%meta: {}}}, {%name: user, type: foreign}],
   dimensions: [{%name: ordered_at, type: time, type_params: {%time_granularity: day}, config: {%meta: {}}}],
   measures: [
     {%name: order_count, agg: count, expr: 1, config: {%meta: {}}},
     {%name: revenue, agg: percentile, agg_params: {%percentile: 0.5}, non_additive_dimension: {%name: ordered_at}}]},
  {%name: prices, model: shop.prices, primary_entity: price, entities: [{%name: product, type: natural}],
   dimensions: [
     {%name: from_day, type: time, type_params: {%time_granularity: day, validity_params: {%is_start: true}}},
     {%name: to_day, type: time, type_params: {%time_granularity: day, validity_params: {%is_end: true}}}]}],
models: [
  {%name: hours, time_spine: {%standard_granularity_column: ts, custom_granularities: [{%name: shift}]}, columns: [{%name: ts, granularity: hour}]},
  {%name: users, semantic_model: {%enabled: true, config: {%meta: {}}}, agg_time_dimension: joined_at,
   columns: [
     {%name: user, entity: {%type: primary, config: {%meta: {}}}},
     {%name: joined_at, granularity: day, dimension: {%type: time, config: {%meta: {}}}}],
   derived_semantics: {%entities: [{%name: team, type: unique, expr: team_id}], dimensions: [{%name: country, type: categorical, expr: upper(land)}]},
   metrics: [
     {%name: joined, agg: count, expr: 1, config: {%meta: {}}},
     {%name: credit, agg: sum, non_additive_dimension: {%name: joined_at, window_agg: max}}]}],
metrics: [
  {%name: orders, type: simple, type_params: {%measure: order_count}, config: {%meta: {}}},
  {%name: filled, type: simple, type_params: {%measure: {%name: order_count, fill_nulls_with: 0}}},
  {%name: typical, type: simple, type_params: {%expr: price, metric_aggregation_params: {%semantic_model: orders, agg: percentile, agg_params: {%percentile: 0.5}}}},
  {%name: share, type: ratio, type_params: {%numerator: {%name: orders}, denominator: {%name: filled}}},
  {%name: change, type: derived, type_params: {%expr: orders - before, metrics: [{%name: orders}, {%name: orders, alias: before, offset_window: 1 day}]}},
  {%name: running, type: cumulative, type_params: {%measure: order_count, cumulative_type_params: {%grain_to_date: month}}},
  {%name: bought, type: conversion, type_params: {%conversion_type_params: {%entity: user, base_measure: order_count, conversion_measure: order_count,
     constant_properties: [{%base_property: user, conversion_property: user}]}}},
  {%name: share_too, type: ratio, numerator: orders, denominator: filled},
  {%name: change_too, type: derived, expr: orders * 2, input_metrics: [{%name: orders}]},
  {%name: running_too, type: cumulative, input_metric: {%name: orders}, window: 7 days},
  {%name: bought_too, type: conversion, entity: user, base_metric: orders, conversion_metric: orders,
   constant_properties: [{%base_property: user, conversion_property: user}]}],
saved_queries: [
  {%name: top, query_params: {%metrics: [orders]}, config: {%cache: {%enabled: true}}, exports: [{%name: top, config: {%export_as: table}}]}],
metric_views: [{%name: sales, metrics: [orders], dimensions: [{%name: metric_time, as: day_of}]}]}
"#;

const OSSIE: &str = r#"
{%version: 0.1.1, semantic_model: [{%name: shop,
  datasets: [{%name: orders, source: s.orders, primary_key: [order_id],
    fields: [{%name: ordered_at, dimension: {%is_time: true}, expression: {%dialects: [{%dialect: ANSI_SQL, expression: ts}]}}]},
    {%name: users, source: s.users, primary_key: [user_id]}],
  relationships: [{%name: buyer, from: orders, to: users, from_columns: [user_id], to_columns: [user_id]}],
  metrics: [{%name: revenue, expression: {%dialects: [{%dialect: ANSI_SQL, expression: SUM(orders.price)}]}}]}]}
"#;

const MANIFEST: &str = r#"
{%"semantic_models": [{%"name": "orders", "node_relation": {%"schema_name": "s", "alias": "orders"}, "defaults": {%"agg_time_dimension": "ds"},
   "entities": [{%"name": "order", "type": "primary", "config": {%"meta": {}}}],
   "dimensions": [{%"name": "ds", "type": "time", "type_params": {%"time_granularity": "day", "validity_params": null}}],
   "measures": [{%"name": "revenue", "agg": "sum", "agg_params": {%"percentile": null}}]}],
 "metrics": [
   {%"name": "revenue", "type": "simple", "type_params": {%"measure": {%"name": "revenue"}}, "filter": {%"where_filters": [{%"where_sql_template": "{{ Entity('order') }} > 1"}]}},
   {%"name": "running", "type": "cumulative", "type_params": {%"cumulative_type_params": {%"metric": {%"name": "revenue"}, "window": {%"count": 7, "granularity": "days"}}}}],
 "saved_queries": [{%"name": "top", "query_params": {%"metrics": ["revenue"], "where": null}}],
 "project_configuration": {%"time_spines": [{%"node_relation": {%"relation_name": "\"s\".\"days\""}, "primary_column": {%"name": "ds", "time_granularity": "day"}, "custom_granularities": []}]}}
"#;

/// The document with a key added at one of its places, or at none.
fn document(template: &str, key: &str, at: Option<usize>) -> String {
    let mut parts = template.split("{%").enumerate();
    let (_, first) = parts.next().unwrap();
    parts.fold(first.to_owned(), |text, (i, part)| {
        let added = if at == Some(i - 1) { format!("{key}, ") } else { String::new() };
        text + "{" + &added + part
    })
}

fn places(template: &str) -> usize {
    template.matches("{%").count()
}

#[test]
fn an_unknown_key_is_an_error_in_every_place() {
    for template in [YAML, OSSIE] {
        assert_eq!(shown(&read(&[("x.yaml", &document(template, "", None))])), "");
        for place in 0..places(template) {
            let yaml = document(template, "bogus_key: 1", Some(place));
            let diagnostics = shown(&read(&[("x.yaml", &yaml)]));
            let lines: Vec<&str> = diagnostics.lines().collect();
            let [line] = lines.as_slice() else { panic!("place {place}:\n{diagnostics}\n{yaml}") };
            assert!(line.contains("unknown key 'bogus_key'") && line.ends_with("[unknown_key]"), "{line}");
            let at = yaml.find("bogus_key").unwrap();
            let row = yaml[..at].matches('\n').count() + 1;
            let column = at - yaml[..at].rfind('\n').map_or(0, |n| n + 1) + 1;
            assert!(line.starts_with(&format!("x.yaml:{row}:{column}:")), "{row}:{column} against {line}");
        }
    }
}

#[test]
fn a_manifest_may_say_more_in_every_place() {
    let plain = read(&[("m.json", &document(MANIFEST, "", None))]);
    assert_eq!(shown(&plain), "");
    let expected = plain.catalog.unwrap().version;
    for place in 0..places(MANIFEST) {
        let loaded = read(&[("m.json", &document(MANIFEST, "\"bogus_key\": {\"a\": [1]}", Some(place)))]);
        assert_eq!(shown(&loaded), "", "place {place}");
        assert_eq!(loaded.catalog.unwrap().version, expected, "place {place}");
    }
}
