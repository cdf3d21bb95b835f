//! Metrics of the legacy spec, and of manifests of both generations.

use super::{Reader, aggregate::Spec};
use crate::{
    ConversionCalculation, PeriodAggregation,
    load::{
        declared::{
            At, Conversion, Cumulative, Input, Kind, MeasureInput, Metric, OwnAggregate, Side, Simple,
        },
        fields::{Fields, Keys},
        sql_expr,
    },
    yaml::{Node, NodeValue},
};

const KEYS: [&str; 9] =
    ["name", "type", "type_params", "filter", "time_granularity", "description", "label", "config", "tags"];
pub(super) const TYPES: [(&str, Type); 5] = [
    ("simple", Type::Simple),
    ("ratio", Type::Ratio),
    ("derived", Type::Derived),
    ("cumulative", Type::Cumulative),
    ("conversion", Type::Conversion),
];
const SIMPLE_KEYS: [&str; 6] =
    ["measure", "expr", "join_to_timespine", "fill_nulls_with", "metric_aggregation_params", "is_private"];
const AGGREGATION_KEYS: [&str; 5] =
    ["semantic_model", "agg", "agg_params", "agg_time_dimension", "non_additive_dimension"];
/// Keys that only a simple metric has (V25).
const OF_SIMPLE: [&str; 3] = ["fill_nulls_with", "join_to_timespine", "metric_aggregation_params"];
pub(super) const INPUT_KEYS: [&str; 5] = ["name", "filter", "alias", "offset_window", "offset_to_grain"];
const PERIODS: [(&str, PeriodAggregation); 3] = [
    ("first", PeriodAggregation::First),
    ("last", PeriodAggregation::Last),
    ("average", PeriodAggregation::Average),
];
const CALCULATIONS: [(&str, ConversionCalculation); 2] = [
    ("conversions", ConversionCalculation::Conversions),
    ("conversion_rate", ConversionCalculation::ConversionRate),
];

/// dbt's types of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Simple,
    Ratio,
    Derived,
    Cumulative,
    Conversion,
}

/// A metric whose mapping is open: what the two specs have in common.
pub(super) struct Opened {
    pub(super) name: Option<At<String>>,
    /// `metric 'x'`.
    pub(super) owner: String,
}

impl Reader<'_> {
    /// One item of `metrics` at the top of a file.
    pub(in crate::load) fn metric(&mut self, node: &Node) {
        // Either spec may be used in one list: only the legacy one has `type_params`.
        if self.keys == Keys::Strict && node.get("type_params").is_none() && !is_bare_legacy(node) {
            self.latest_metric(node, None);
            return;
        }
        let Some(mut fields) = self.open(node, "a metric", &KEYS) else { return };
        let opened = self.opened(&mut fields);
        fields.required_node("type", self.report);
        let kind = fields.choice("type", &TYPES, self.report);
        let params = fields.required_node("type_params", self.report);
        let (kind, private) = match (kind, params) {
            (Some(kind), Some(params)) => self.legacy_kind(kind, params, &opened),
            _ => (None, false),
        };
        self.finish(&mut fields, opened, kind, private);
    }

    pub(super) fn opened(&mut self, fields: &mut Fields<'_>) -> Opened {
        let name = self.name(fields);
        let owner = format!("metric '{}'", name.as_ref().map_or("?", |n| n.value.as_str()));
        Opened { name, owner }
    }

    /// What every metric has beside its kind; then the metric is done.
    pub(super) fn finish(
        &mut self,
        fields: &mut Fields<'_>,
        opened: Opened,
        kind: Option<Kind>,
        private: bool,
    ) {
        let filters = self.filters(fields, "filter");
        let time_granularity = self.time_grain(fields, "time_granularity");
        let (texts, enabled) = self.texts(fields);
        let Some(name) = opened.name.filter(|_| enabled) else { return };
        match kind {
            None => _ = self.out.refused.metrics.insert(name.value.to_lowercase()),
            Some(kind) => {
                let made = false;
                self.out.metrics.push(Metric { name, texts, kind, filters, time_granularity, private, made });
            }
        }
    }

    fn legacy_kind(&mut self, kind: Type, node: &Node, opened: &Opened) -> (Option<Kind>, bool) {
        let keys: &[&'static str] = match kind {
            Type::Simple => &SIMPLE_KEYS,
            Type::Ratio => &["numerator", "denominator", "is_private"],
            Type::Derived => &["expr", "metrics", "is_private"],
            Type::Cumulative => {
                &["measure", "window", "grain_to_date", "cumulative_type_params", "is_private"]
            }
            Type::Conversion => &["conversion_type_params", "is_private"],
        };
        let what = match kind {
            Type::Simple => "type_params of a simple metric",
            Type::Ratio => "type_params of a ratio metric",
            Type::Derived => "type_params of a derived metric",
            Type::Cumulative => "type_params of a cumulative metric",
            Type::Conversion => "type_params of a conversion metric",
        };
        self.only_simple(kind, node, &OF_SIMPLE, opened);
        let Some(mut fields) = self.open_beside(kind, node, what, keys) else { return (None, false) };
        let private = fields.boolean("is_private", false, self.report);
        let kind = match kind {
            Type::Simple => self.legacy_simple(&mut fields, opened),
            Type::Ratio => self.ratio(&mut fields),
            Type::Derived => self.derived(&mut fields, "metrics", opened),
            Type::Cumulative => self.legacy_cumulative(&mut fields, opened),
            Type::Conversion => self.legacy_conversion(&mut fields, opened),
        };
        (kind, private)
    }

    /// Opens a mapping; the keys V25 speaks of are not reported as unknown too.
    pub(super) fn open_beside<'a>(
        &mut self,
        kind: Type,
        node: &'a Node,
        what: &'static str,
        keys: &[&'static str],
    ) -> Option<Fields<'a>> {
        if kind == Type::Simple {
            return self.open(node, what, keys);
        }
        let all: Vec<&'static str> = keys.iter().chain(&OF_SIMPLE).copied().collect();
        self.open(node, what, &all)
    }

    /// V25.
    pub(super) fn only_simple(&mut self, kind: Type, node: &Node, keys: &[&str], opened: &Opened) {
        if kind == Type::Simple {
            return;
        }
        let name = TYPES.iter().find(|(_, t)| *t == kind).map_or("", |(name, _)| name);
        for (key, value) in node.members() {
            let says_nothing = value.is_null() || value.as_bool() == Some(false);
            if keys.contains(&key.text.as_str()) && !says_nothing {
                let message =
                    format!("{} is {name}; {} belongs on its simple inputs", opened.owner, key.text);
                self.report.error("not_simple", &key.span, message);
            }
        }
    }

    fn legacy_simple(&mut self, fields: &mut Fields<'_>, opened: &Opened) -> Option<Kind> {
        let measure = fields.get("measure").map(|node| self.measure_input(node));
        let own =
            fields.get("metric_aggregation_params").map(|node| self.own_aggregate(node, fields, opened));
        let fill = fields.integer("fill_nulls_with", self.report);
        let join = fields.boolean("join_to_timespine", false, self.report);
        if measure.is_none() && own.is_none() {
            // V10.
            self.report.error(
                "bad_metric",
                fields.span(),
                format!("{} needs agg (or a measure)", opened.owner),
            );
            return None;
        }
        if measure.is_some() && own.is_some() && self.keys == Keys::Strict {
            let message = format!("{} has a measure and its own agg; the measure is ignored", opened.owner);
            self.report.warn("two_aggregates", fields.span(), message, None);
        }
        if own.is_none()
            && self.keys == Keys::Strict
            && let Some(expr) = fields.get("expr")
        {
            // N5.
            let message = format!("{}: expr is ignored, the measure's is used", opened.owner);
            self.report.warn("ignored_expr", &expr.span, message, None);
        }
        // One that could not be read has been reported; the metric does not stand then.
        let (measure, own) =
            (measure.map_or(Some(None), |m| m.map(Some))?, own.map_or(Some(None), |o| o.map(Some))?);
        Some(Kind::Simple(Simple { measure, own, fill_nulls_with: fill, join_to_timespine: join }))
    }

    fn own_aggregate(&mut self, node: &Node, outer: &Fields<'_>, opened: &Opened) -> Option<OwnAggregate> {
        let mut fields = self.open(node, "metric_aggregation_params", &AGGREGATION_KEYS)?;
        let model = fields.required("semantic_model", self.report).map(|(t, s)| At::new(t.to_owned(), s));
        let aggregate = self.aggregate(&mut fields, &opened.owner, Spec::Legacy, Some(outer));
        Some(OwnAggregate { model: model?, aggregate: aggregate? })
    }

    pub(super) fn ratio(&mut self, fields: &mut Fields<'_>) -> Option<Kind> {
        let numerator = fields.required_node("numerator", self.report);
        let denominator = fields.required_node("denominator", self.report);
        let keys = ["name", "filter", "alias"];
        let numerator = numerator.and_then(|n| self.input(n, "a numerator", &keys));
        let denominator = denominator.and_then(|n| self.input(n, "a denominator", &keys));
        Some(Kind::Ratio { numerator: numerator?, denominator: denominator? })
    }

    pub(super) fn derived(
        &mut self,
        fields: &mut Fields<'_>,
        list: &'static str,
        opened: &Opened,
    ) -> Option<Kind> {
        let node = fields.required_node("expr", self.report);
        let expr = node.and_then(|n| Some(At::new(sql_expr::read_optional(Some(n), self.report)?, &n.span)));
        let items = fields.list(list, self.report);
        if items.is_empty() && fields.get(list).is_none_or(|n| matches!(n.value, NodeValue::List(_))) {
            // V19.
            let span = opened.name.as_ref().map_or(fields.span(), |n| &n.span);
            self.report.error("bad_metric", span, format!("{} is derived but has no inputs", opened.owner));
            return None;
        }
        let inputs: Vec<Option<Input>> =
            items.iter().map(|node| self.input(node, "an input metric", &INPUT_KEYS)).collect();
        Some(Kind::Derived { expr: expr?, inputs: inputs.into_iter().collect::<Option<_>>()? })
    }

    fn legacy_cumulative(&mut self, fields: &mut Fields<'_>, opened: &Opened) -> Option<Kind> {
        let old_window = self.window(fields, "window");
        let old_grain_to_date = self.time_grain(fields, "grain_to_date");
        let measure = fields.get("measure").map(|node| self.measure_input(node).map(Side::Measure));
        let (mut window, mut grain_to_date, mut period_agg, mut metric) = (None, None, None, None);
        if let Some(node) = fields.get("cumulative_type_params")
            && let Some(mut params) = self.open(
                node,
                "cumulative_type_params",
                &["metric", "window", "grain_to_date", "period_agg"],
            )
        {
            window = self.window(&mut params, "window");
            grain_to_date = self.time_grain(&mut params, "grain_to_date");
            period_agg = params.choice("period_agg", &PERIODS, self.report);
            metric =
                params.get("metric").map(|n| self.input(n, "an input metric", &INPUT_KEYS).map(Side::Metric));
        }
        let Some(input) = metric.or(measure) else {
            let message = format!("{} is cumulative and needs a measure or a metric", opened.owner);
            self.report.error("bad_metric", fields.span(), message);
            return None;
        };
        Some(Kind::Cumulative(Cumulative {
            input: input?,
            window,
            grain_to_date,
            old_window,
            old_grain_to_date,
            period_agg,
        }))
    }

    fn legacy_conversion(&mut self, outer: &mut Fields<'_>, opened: &Opened) -> Option<Kind> {
        let node = outer.required_node("conversion_type_params", self.report)?;
        let keys = [
            "entity",
            "base_measure",
            "base_metric",
            "conversion_measure",
            "conversion_metric",
            "calculation",
            "window",
            "constant_properties",
        ];
        let mut fields = self.open(node, "conversion_type_params", &keys)?;
        let side = |metric: &str, measure: &str, reader: &mut Self| -> Option<Side> {
            if let Some(node) = fields.get(metric) {
                return reader.input(node, "an input metric", &INPUT_KEYS).map(Side::Metric);
            }
            if let Some(node) = fields.get(measure) {
                return reader.measure_input(node).map(Side::Measure);
            }
            let message = format!("{} needs {metric} (or {measure})", opened.owner);
            reader.report.error("bad_metric", fields.span(), message);
            None
        };
        let base = side("base_metric", "base_measure", self);
        let conversion = side("conversion_metric", "conversion_measure", self);
        self.conversion(&mut fields, base, conversion)
    }

    /// What both specs say alike about a conversion.
    pub(super) fn conversion(
        &mut self,
        fields: &mut Fields<'_>,
        base: Option<Side>,
        conversion: Option<Side>,
    ) -> Option<Kind> {
        let entity = fields.required("entity", self.report).map(|(t, s)| At::new(t.to_owned(), s));
        let calculation = fields.choice("calculation", &CALCULATIONS, self.report);
        let window = self.window(fields, "window");
        let mut constant_properties = Vec::new();
        for node in fields.list("constant_properties", self.report) {
            let keys = ["base_property", "conversion_property"];
            let Some(mut pair) = self.open(node, "a constant property", &keys) else { continue };
            let mut property = |key| pair.required(key, self.report).map(|(t, s)| At::new(t.to_owned(), s));
            if let (Some(base), Some(conversion)) = (property(keys[0]), property(keys[1])) {
                constant_properties.push((base, conversion));
            }
        }
        Some(Kind::Conversion(Conversion {
            entity: entity?,
            base: base?,
            conversion: conversion?,
            calculation: calculation.unwrap_or(ConversionCalculation::ConversionRate),
            window,
            constant_properties,
        }))
    }

    pub(super) fn period_agg(&mut self, fields: &mut Fields<'_>) -> Option<PeriodAggregation> {
        fields.choice("period_agg", &PERIODS, self.report)
    }

    /// A name, or a mapping with these keys.
    pub(super) fn input(&mut self, node: &Node, what: &'static str, keys: &[&'static str]) -> Option<Input> {
        if let NodeValue::Scalar { text, .. } = &node.value {
            return Some(Input::named(At::new(text.clone(), &node.span)));
        }
        let mut fields = self.open(node, what, keys)?;
        let name = fields.required("name", self.report).map(|(t, s)| At::new(t.to_owned(), s));
        let filters = self.filters(&fields, "filter");
        let alias = fields.at("alias", self.report);
        let offset_window = self.window(&mut fields, "offset_window");
        let offset_to_grain = self.time_grain(&mut fields, "offset_to_grain");
        Some(Input { name: name?, filters, alias, offset_window, offset_to_grain })
    }

    fn measure_input(&mut self, node: &Node) -> Option<MeasureInput> {
        if let NodeValue::Scalar { text, .. } = &node.value {
            return Some(MeasureInput {
                name: At::new(text.clone(), &node.span),
                filters: Vec::new(),
                alias: None,
                fill_nulls_with: None,
                join_to_timespine: false,
            });
        }
        let keys = ["name", "filter", "alias", "join_to_timespine", "fill_nulls_with"];
        let mut fields = self.open(node, "a measure input", &keys)?;
        let name = fields.required("name", self.report).map(|(t, s)| At::new(t.to_owned(), s));
        let filters = self.filters(&fields, "filter");
        let alias = fields.at("alias", self.report);
        let join_to_timespine = fields.boolean("join_to_timespine", false, self.report);
        let fill_nulls_with = fields.integer("fill_nulls_with", self.report);
        Some(MeasureInput { name: name?, filters, alias, fill_nulls_with, join_to_timespine })
    }
}

/// A metric with a name and a legacy type, whose parameters were forgotten: V10 says it best.
fn is_bare_legacy(node: &Node) -> bool {
    node.members().iter().all(|(k, _)| KEYS.contains(&k.text.as_str()) && k.text != "type_params")
        && node.get("type").and_then(Node::text).is_some_and(|t| !t.eq_ignore_ascii_case("simple"))
}
