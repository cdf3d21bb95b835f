//! Apache Ossie: what is read, what is refused, and that our own export loses nothing.

use insta::assert_snapshot;
use proptest::prelude::*;
use semantic::{Catalog, MetricKind, OssieFormat, export_ossie};

use crate::support::{catalog, read, shown};

const SHOP: &str = r#"
version: 0.1.1
semantic_model:
  - name: shop
    datasets:
      - name: orders
        source: sales.public.orders
        primary_key: [order_id]
        fields:
          - {name: order_id, expression: {dialects: [{dialect: ANSI_SQL, expression: order_id}]}}
          - {name: ordered_at, expression: {dialects: [{dialect: ANSI_SQL, expression: o_date}]}, dimension: {is_time: true}}
          - {name: net, expression: {dialects: [{dialect: SNOWFLAKE, expression: "x::int"}, {dialect: ANSI_SQL, expression: price - discount}]}}
      - name: customers
        source: select * from crm.people
        primary_key: [customer_id]
        fields:
          - {name: country, label: Country, expression: {dialects: [{dialect: ANSI_SQL, expression: UPPER(land)}]}}
    relationships:
      - {name: buyer, from: orders, to: customers, from_columns: [buyer_id], to_columns: [customer_id]}
    metrics:
      - {name: revenue, description: All of it., expression: {dialects: [{dialect: ANSI_SQL, expression: SUM(orders.net)}]}}
      - {name: orders_seen, expression: {dialects: [{dialect: ANSI_SQL, expression: COUNT(DISTINCT orders.order_id)}]}}
      - {name: aov, expression: {dialects: [{dialect: ANSI_SQL, expression: "SUM(orders.net) / NULLIF(COUNT(DISTINCT orders.order_id), 0)"}]}}
      - {name: p95, expression: {dialects: [{dialect: ANSI_SQL, expression: PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY orders.price)}]}}
      - {name: margin, expression: {dialects: [{dialect: ANSI_SQL, expression: "COALESCE(SUM(orders.net), 0) - 2 * SUM(orders.cost) + SUM(orders.net)"}]}}
"#;

/// What a catalog says, one element a line.
fn told(catalog: &Catalog) -> String {
    let mut lines = Vec::new();
    for model in catalog.semantic_models.iter().filter(|m| !m.automatic) {
        lines.push(format!("{} over {}", model.name, model.relation));
        for entity in &model.entities {
            lines.push(format!("  {:?} {} = {}", entity.entity_type, entity.name, entity.expr));
        }
        for dimension in &model.dimensions {
            lines.push(format!("  {:?} {} = {}", dimension.kind, dimension.name, dimension.expr));
        }
    }
    for metric in catalog.metrics.iter().filter(|m| m.name != "profile_count") {
        let kind = match &metric.kind {
            MetricKind::Simple(s) => {
                format!("{:?}({}) of {} by {}", s.agg, s.expr, s.model, s.agg_time_dimension)
            }
            MetricKind::Ratio { numerator, denominator } => {
                format!("{} / {}", numerator.name, denominator.name)
            }
            MetricKind::Derived { expr, .. } => expr.clone(),
            other => other.as_str().to_owned(),
        };
        lines.push(format!("{}{} = {kind}", if metric.private { "private " } else { "" }, metric.name));
    }
    lines.join("\n")
}

#[test]
fn an_ossie_file_becomes_models_and_metrics() {
    let loaded = read(&[("shop.yaml", SHOP)]);
    assert_snapshot!(shown(&loaded), @"");
    assert_snapshot!(told(&loaded.catalog.unwrap()), @r#"
orders over sales.public.orders
  Foreign customer_id = buyer_id
  Primary order_id = order_id
  Time(Day) ordered_at = o_date
  Categorical net = price - discount
customers over (select * from crm.people)
  Primary customer_id = customer_id
  Categorical country = UPPER(land)
revenue = Sum(price - discount) of orders by ordered_at
orders_seen = CountDistinct(order_id) of orders by ordered_at
private aov_input_1 = Sum(price - discount) of orders by ordered_at
private aov_input_2 = CountDistinct(order_id) of orders by ordered_at
aov = aov_input_1 / aov_input_2
p95 = Percentile(Percentile { fraction: 0.95, discrete: false, approximate: false })(price) of orders by ordered_at
private margin_input_1 = Sum(price - discount) of orders by ordered_at
private margin_input_2 = Sum(cost) of orders by ordered_at
margin = COALESCE(margin_input_1, 0) - 2 * margin_input_2 + margin_input_1
"#);
}

fn check_metric(expression: &str) -> String {
    let text = SHOP
        .replace("PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY orders.price)", &format!("{expression:?}"));
    shown(&read(&[("shop.yaml", &text)]))
}

#[test]
fn what_is_no_aggregate_of_one_dataset_is_refused_by_name() {
    let refused = [
        "SUM(orders.net) OVER (PARTITION BY 1)",
        "SUM(MAX(orders.net))",
        "SUM(orders.net * customers.credit)",
        "orders.net",
        "1 + 2",
        "COUNT(*)",
        "SUM(DISTINCT orders.net)",
        "STDDEV(orders.net)",
        "SUM(orderz.net)",
        "SUM(orders.net) FILTER (WHERE orders.net > 0)",
    ];
    let found: Vec<String> = refused.iter().map(|text| format!("{text}\n  {}", check_metric(text))).collect();
    assert_snapshot!(found.join(""), @r#"
SUM(orders.net) OVER (PARTITION BY 1)
  shop.yaml:24:77: metric 'p95': 'SUM(orders.net) OVER (PARTITION BY 1)' is not a SQL expression: a window function is not allowed here [bad_expr]
SUM(MAX(orders.net))
  shop.yaml:24:77: metric 'p95': aggregates inside aggregates cannot be read [bad_metric]
SUM(orders.net * customers.credit)
  shop.yaml:24:77: metric 'p95': an aggregate reads the columns of one dataset [bad_metric]
orders.net
  shop.yaml:24:77: metric 'p95': 'orders.net' stands outside of an aggregate [bad_metric]
1 + 2
  shop.yaml:24:77: metric 'p95': it aggregates nothing [bad_metric]
COUNT(*)
  shop.yaml:24:77: metric 'p95': COUNT(*) does not say which dataset it counts; count a column [bad_metric]
SUM(DISTINCT orders.net)
  shop.yaml:24:77: metric 'p95': SUM(DISTINCT ..) cannot be read [bad_metric]
STDDEV(orders.net)
  shop.yaml:24:77: metric 'p95': 'STDDEV' is no aggregate that can be read [bad_metric]
SUM(orderz.net)
  shop.yaml:24:77: metric 'p95': dataset 'orderz' does not exist [bad_metric]
SUM(orders.net) FILTER (WHERE orders.net > 0)
  shop.yaml:24:77: metric 'p95': SUM with FILTER or WITHIN GROUP cannot be read [bad_metric]
"#);
}

#[test]
fn structure_is_checked_like_any_other_form() {
    let text = r#"
version: 0.3.0
semantic_model:
  - name: shop
    dataset: []
    datasets:
      - {name: orders, sauce: x}
      - {name: customers, source: crm.people, fields: [{name: country, expression: {dialects: [{dialect: MDX, expression: x}]}}]}
    relationships:
      - {name: buyer, from: orders, to: custommers, from_columns: [a, b], to_columns: [c]}
"#;
    assert_snapshot!(shown(&read(&[("shop.yaml", text)])), @r#"
shop.yaml:2:10: Ossie 0.3.0 is not known; 0.1.0 and 0.1.1 are read [bad_version]
shop.yaml:5:5: unknown key 'dataset' in an Ossie semantic model, did you mean 'datasets'? [unknown_key]
shop.yaml:7:9: a dataset needs 'source' [missing_key]
shop.yaml:7:24: unknown key 'sauce' in a dataset [unknown_key]
shop.yaml:8:84: field 'country' has no expression in ANSI_SQL, only in MDX [bad_dialect]
shop.yaml:10:29: relationship 'buyer': dataset 'orders' does not exist [unknown_input]
shop.yaml:10:41: relationship 'buyer': dataset 'custommers' does not exist, did you mean 'customers'? [unknown_input]
"#);
}

#[test]
fn keys_that_would_share_a_name_are_named_after_the_relationship() {
    let text = r#"
version: 0.1.0
semantic_model:
  - name: shop
    datasets:
      - {name: orders, source: s.orders, primary_key: [id]}
      - {name: customers, source: s.customers, primary_key: [id]}
      - {name: lines, source: s.lines, primary_key: [order_id, line]}
      - {name: returns, source: s.returns}
    relationships:
      - {name: buyer, from: orders, to: customers, from_columns: [buyer_id], to_columns: [id]}
      - {name: receiver, from: orders, to: customers, from_columns: [receiver_id], to_columns: [id]}
      - {name: returned_line, from: returns, to: lines, from_columns: [order_no, line_no], to_columns: [order_id, line]}
"#;
    assert_snapshot!(told(&catalog(text)), @r#"
orders over s.orders
  Foreign buyer = buyer_id
  Foreign receiver = receiver_id
  Primary orders = id
customers over s.customers
  Primary buyer = id
  Unique receiver = id
lines over s.lines
  Primary order_id_line = CAST(CHARACTER_LENGTH(CAST(order_id AS VARCHAR)) AS VARCHAR) || ':' || CAST(order_id AS VARCHAR) || CAST(CHARACTER_LENGTH(CAST(line AS VARCHAR)) AS VARCHAR) || ':' || CAST(line AS VARCHAR)
returns over s.returns
  Foreign order_id_line = CAST(CHARACTER_LENGTH(CAST(order_no AS VARCHAR)) AS VARCHAR) || ':' || CAST(order_no AS VARCHAR) || CAST(CHARACTER_LENGTH(CAST(line_no AS VARCHAR)) AS VARCHAR) || ':' || CAST(line_no AS VARCHAR)
"#);
}

/// The parts of a catalog that an export carries.
fn carried(catalog: &Catalog) -> String {
    format!(
        "{:#?}{:#?}{:#?}{:#?}{:#?}",
        catalog.semantic_models,
        catalog.metrics,
        catalog.saved_queries,
        catalog.metric_views,
        catalog.time_spines
    )
}

fn check_round_trip(catalog: &Catalog) {
    for (format, file) in [(OssieFormat::Yaml, "export.yaml"), (OssieFormat::Json, "export.json")] {
        let text = export_ossie(catalog, "shop", format);
        let again = read(&[(file, &text)]);
        let diagnostics = shown(&again);
        let again = again.catalog.unwrap_or_else(|| panic!("{diagnostics}\n{text}"));
        assert!(!diagnostics.contains("ETALON"), "{diagnostics}");
        assert_eq!(carried(catalog), carried(&again), "{file}");
    }
}

const EVERYTHING: &str = r#"
version: 1
time_spine: {grain: day, from: 2024-01-01, to: 2030-12-31}
semantic_models:
  - name: orders
    model: shop."the orders"
    label: Orders
    config: {meta: {owner: sales, tier: 1}}
    defaults: {agg_time_dimension: ordered_at}
    entities:
      - {name: order, type: primary, expr: order_id}
      - {name: customer, type: foreign, expr: customer_id, role: buyer}
    dimensions:
      - {name: ordered_at, type: time, expr: created, type_params: {time_granularity: hour}}
      - {name: status, type: categorical, description: "Open, 'paid' or \"gone\"", config: {meta: {pii: false}}}
      - {name: day_part, type: time, is_partition: true, type_params: {time_granularity: day}}
    measures:
      - {name: order_count, agg: count, expr: 1}
      - {name: revenue, agg: sum, expr: price * quantity, create_metric: true}
      - {name: p90, agg: percentile, expr: price, agg_params: {percentile: 0.9, use_approximate_percentile: true}, create_metric: true}
      - {name: stock, agg: sum, non_additive_dimension: {name: ordered_at, window_choice: max, window_groupings: [customer]}, create_metric: true}
  - name: customers
    model: ref('customers')
    entities: [{name: customer, type: primary, expr: id}]
    dimensions: [{name: country, type: categorical}]
metrics:
  - {name: orders, type: simple, type_params: {measure: {name: order_count, fill_nulls_with: 0}}}
  - {name: paid, type: simple, type_params: {measure: revenue}, filter: ["{{ Dimension('order__status') }} = 'paid'"]}
  - {name: aov, type: ratio, type_params: {numerator: revenue, denominator: {name: orders, alias: n}}}
  - {name: margin, type: derived, type_params: {expr: revenue * 0.1 - before, metrics: [revenue, {name: revenue, alias: before, offset_window: 2 weeks}]}}
  - {name: doubled, type: derived, type_params: {expr: 2 * revenue, metrics: [revenue]}, label: Twice}
  - {name: mtd, type: cumulative, type_params: {measure: order_count, grain_to_date: month}, time_granularity: week}
  - {name: trailing, type: cumulative, type_params: {measure: revenue, cumulative_type_params: {window: 7 days, period_agg: average}}}
  - name: again
    type: conversion
    type_params: {conversion_type_params: {entity: customer, base_measure: order_count, conversion_measure: order_count, window: 30 days, calculation: conversions}}
saved_queries:
  - name: top
    query_params: {metrics: [revenue, paid], group_by: ["Dimension('customer__country')"], order_by: ["-revenue"], limit: 3}
    exports: [{name: top, config: {export_as: table, schema: out}}]
    tags: [weekly]
    config: {cache: {enabled: true}}
metric_views:
  - {name: sales, metrics: [revenue, paid], dimensions: [metric_time, {name: customer__country, as: country}]}
"#;

#[test]
fn an_export_loses_nothing() {
    check_round_trip(&catalog(EVERYTHING));
}

#[test]
fn an_export_shows_other_tools_what_ossie_can_say() {
    let text = export_ossie(&catalog(EVERYTHING), "shop", OssieFormat::Yaml);
    let plain: String = {
        // Without our extensions, as another tool reads it.
        let mut hidden = false;
        let lines = text.lines().filter(|line| {
            let depth = line.len() - line.trim_start_matches([' ', '-']).len();
            if line.contains("custom_extensions:") {
                hidden = true;
                return false;
            }
            if hidden && (line.contains("vendor_name:") || line.trim_start().starts_with("data:")) {
                return false;
            }
            hidden = false;
            depth < usize::MAX
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(plain, @r#"
version: "0.1.1"
semantic_model:
  - name: shop
    datasets:
      - name: orders
        source: "shop.\"the orders\""
        primary_key:
          - order_id
        fields:
          - name: ordered_at
            expression:
              dialects:
                - dialect: "ANSI_SQL"
                  expression: created
            dimension:
              is_time: true
          - name: status
            expression:
              dialects:
                - dialect: "ANSI_SQL"
                  expression: status
            dimension:
              is_time: false
            description: "Open, 'paid' or \"gone\""
          - name: day_part
            expression:
              dialects:
                - dialect: "ANSI_SQL"
                  expression: day_part
            dimension:
              is_time: true
      - name: customers
        source: "warehouse.customers"
        primary_key:
          - id
        fields:
          - name: country
            expression:
              dialects:
                - dialect: "ANSI_SQL"
                  expression: country
            dimension:
              is_time: false
    relationships:
      - name: orders_customer_customers
        from: orders
        to: customers
        from_columns:
          - customer_id
        to_columns:
          - id
    metrics:
      - name: doubled
        expression:
          dialects:
            - dialect: "ANSI_SQL"
              expression: "2 * SUM(orders.price * orders.quantity)"
      - name: revenue
        expression:
          dialects:
            - dialect: "ANSI_SQL"
              expression: "SUM(orders.price * orders.quantity)"
"#);
}

#[test]
fn an_element_that_was_changed_is_read_as_it_is_now() {
    let text = export_ossie(&catalog(EVERYTHING), "shop", OssieFormat::Yaml);
    let changed = text.replacen(
        "2 * SUM(orders.price * orders.quantity)",
        "3 * SUM(orders.price * orders.quantity)",
        1,
    );
    assert_ne!(text, changed);
    let loaded = read(&[("export.yaml", &changed)]);
    assert_snapshot!(shown(&loaded), @r#"
export.yaml:62:9: warning: metric 'doubled' was changed after it was exported: its ETALON extension is ignored [stale_extension]
export.yaml:80:15: warning: metric 'margin' has times of grain hour, finer than every time spine: it is computed by day [no_fine_spine]
export.yaml:80:15: warning: metric 'mtd' has times of grain hour, finer than every time spine: it is computed by day [no_fine_spine]
export.yaml:80:15: warning: metric 'trailing' has times of grain hour, finer than every time spine: it is computed by day [no_fine_spine]
"#);
}

/// Definitions of many shapes, all of them right.
fn definitions() -> impl Strategy<Value = String> {
    let aggs = prop::sample::select(vec![
        "sum",
        "min",
        "max",
        "average",
        "count",
        "count_distinct",
        "sum_boolean",
        "median",
        "approx_count_distinct",
    ]);
    let exprs = prop::sample::select(vec!["a", "a + b", "CASE WHEN a > 1 THEN b END", "\"Odd Name\"", "1"]);
    // No `$`, which would begin a variable.
    let texts = "[ -#%-~äß\\n]{0,12}";
    let measures = prop::collection::vec((aggs, exprs, prop::option::of(texts), any::<bool>()), 1..5);
    let grains = prop::sample::select(vec!["day", "hour", "month"]);
    let fills = prop::option::of(-3_i64..3);
    (measures, grains, fills, texts, prop::collection::vec(0_usize..5, 0..6)).prop_map(
        |(measures, grain, fill, text, kinds)| {
            let quoted = |text: &str| {
                let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                format!("\"{text}\"")
            };
            let mut yaml = format!(
                "version: 1\ntime_spine: {{grain: day, from: 2024-01-01, to: 2025-01-01}}\nsemantic_models:\n  - name: rows_of\n    model: s.t\n    description: {}\n    defaults: {{agg_time_dimension: at_time}}\n    entities: [{{name: row_key, type: primary, expr: k}}]\n    dimensions: [{{name: at_time, type: time, type_params: {{time_granularity: {grain}}}}}, {{name: kind_of, type: categorical}}]\n    measures:\n",
                quoted(&text)
            );
            for (i, (agg, expr, description, create)) in measures.iter().enumerate() {
                let description = description.as_deref().map(quoted).unwrap_or_else(|| "''".to_owned());
                yaml.push_str(&format!(
                    "      - {{name: m{i}, agg: {agg}, expr: {}, create_metric: {create}, description: {description}}}\n",
                    quoted(expr)
                ));
            }
            let fill = fill.map(|n| format!(", fill_nulls_with: {n}")).unwrap_or_default();
            yaml.push_str(&format!(
                "metrics:\n  - {{name: base_of, type: simple, type_params: {{measure: {{name: m0{fill}, join_to_timespine: true}}}}}}\n"
            ));
            for (i, kind) in kinds.iter().enumerate() {
                yaml.push_str(&match kind {
                    0 => format!("  - {{name: x{i}, type: ratio, type_params: {{numerator: base_of, denominator: base_of}}}}\n"),
                    1 => format!("  - {{name: x{i}, type: derived, type_params: {{expr: base_of * {i}, metrics: [base_of]}}}}\n"),
                    2 => format!("  - {{name: x{i}, type: cumulative, type_params: {{measure: m0, window: {} days}}}}\n", i + 1),
                    3 => format!("  - {{name: x{i}, type: simple, type_params: {{measure: {{name: m0, filter: \"{{{{ Dimension('row_key__kind_of') }}}} = 'x'\"}}}}}}\n"),
                    _ => format!("  - {{name: x{i}, type: cumulative, type_params: {{measure: {{name: m0{fill}}}, cumulative_type_params: {{grain_to_date: year, period_agg: last}}}}}}\n"),
                });
            }
            yaml
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_export_loses_nothing(yaml in definitions()) {
        let loaded = read(&[("shop.yaml", &yaml)]);
        let diagnostics = shown(&loaded);
        let Some(catalog) = loaded.catalog else { panic!("{diagnostics}\n{yaml}") };
        check_round_trip(&catalog);
    }
}
