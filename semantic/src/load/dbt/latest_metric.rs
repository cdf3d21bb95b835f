//! Metrics of the 2026 spec: every key stands on the metric itself.

use super::{
    Reader,
    aggregate::Spec,
    metric::{INPUT_KEYS, Opened, TYPES, Type},
};
use crate::{
    load::{
        declared::{At, Cumulative, Kind, OwnAggregate, Side, Simple},
        fields::Fields,
    },
    yaml::Node,
};

const COMMON: [&str; 9] =
    ["name", "type", "description", "label", "filter", "time_granularity", "hidden", "config", "tags"];
/// Keys that only a simple metric has (V25).
const OF_SIMPLE: [&str; 7] = [
    "agg",
    "agg_time_dimension",
    "percentile",
    "percentile_type",
    "non_additive_dimension",
    "join_to_timespine",
    "fill_nulls_with",
];

fn keys(kind: Type) -> Vec<&'static str> {
    let own: &[&'static str] = match kind {
        Type::Simple => &["expr", "semantic_model"],
        Type::Ratio => &["numerator", "denominator"],
        Type::Derived => &["expr", "input_metrics"],
        Type::Cumulative => &["input_metric", "window", "grain_to_date", "period_agg"],
        Type::Conversion => {
            &["entity", "base_metric", "conversion_metric", "calculation", "window", "constant_properties"]
        }
    };
    // V25 speaks of the keys of simple metrics, wherever they stand.
    COMMON.iter().chain(&OF_SIMPLE).chain(own).copied().collect()
}

impl Reader<'_> {
    /// A metric, of a model where it stands under one.
    pub(super) fn latest_metric(&mut self, node: &Node, model: Option<&At<String>>) {
        let kind = match node.get("type").filter(|n| !n.is_null()) {
            None => Some(Type::Simple),
            Some(kind) => self.one_of(kind, "type", &TYPES),
        };
        let what = match kind {
            Some(Type::Simple) => "a simple metric",
            Some(Type::Ratio) => "a ratio metric",
            Some(Type::Derived) => "a derived metric",
            Some(Type::Cumulative) => "a cumulative metric",
            Some(Type::Conversion) => "a conversion metric",
            None => "a metric",
        };
        let known = match kind {
            Some(kind) => keys(kind),
            None => TYPES.iter().flat_map(|(_, kind)| keys(*kind)).collect(),
        };
        let Some(mut fields) = self.open(node, what, &known) else { return };
        let opened = self.opened(&mut fields);
        if let Some(kind) = kind {
            self.only_simple(kind, node, &OF_SIMPLE, &opened);
        }
        let private = fields.boolean("hidden", false, self.report);
        let kind = match kind {
            Some(Type::Simple) => self.latest_simple(&mut fields, &opened, model),
            Some(Type::Ratio) => self.ratio(&mut fields),
            Some(Type::Derived) => self.derived(&mut fields, "input_metrics", &opened),
            Some(Type::Cumulative) => self.latest_cumulative(&mut fields),
            Some(Type::Conversion) => self.latest_conversion(&mut fields),
            None => None,
        };
        self.finish(&mut fields, opened, kind, private);
    }

    fn latest_simple(
        &mut self,
        fields: &mut Fields<'_>,
        opened: &Opened,
        model: Option<&At<String>>,
    ) -> Option<Kind> {
        if fields.get("agg").is_none() {
            // V10.
            let span = opened.name.as_ref().map_or(fields.span(), |n| &n.span);
            self.report.error("bad_metric", span, format!("{} needs agg (or a measure)", opened.owner));
            return None;
        }
        let aggregate = self.aggregate(fields, &opened.owner, Spec::Latest, None);
        let fill_nulls_with = fields.integer("fill_nulls_with", self.report);
        let join_to_timespine = fields.boolean("join_to_timespine", false, self.report);
        let named = fields.at("semantic_model", self.report);
        let Some(model) = named.or_else(|| model.cloned()) else {
            let message =
                format!("{} needs semantic_model, or a place under the metrics of its model", opened.owner);
            self.report.error("bad_metric", fields.span(), message);
            return None;
        };
        let own = Some(OwnAggregate { model, aggregate: aggregate? });
        Some(Kind::Simple(Simple { measure: None, own, fill_nulls_with, join_to_timespine }))
    }

    fn latest_cumulative(&mut self, fields: &mut Fields<'_>) -> Option<Kind> {
        let node = fields.required_node("input_metric", self.report);
        let input = node.and_then(|n| self.input(n, "an input metric", &INPUT_KEYS)).map(Side::Metric);
        let window = self.window(fields, "window");
        let grain_to_date = self.time_grain(fields, "grain_to_date");
        let period_agg = self.period_agg(fields);
        Some(Kind::Cumulative(Cumulative {
            input: input?,
            window,
            grain_to_date,
            old_window: None,
            old_grain_to_date: None,
            period_agg,
        }))
    }

    fn latest_conversion(&mut self, fields: &mut Fields<'_>) -> Option<Kind> {
        let mut side = |key, reader: &mut Self| {
            let node = fields.required_node(key, reader.report)?;
            reader.input(node, "an input metric", &INPUT_KEYS).map(Side::Metric)
        };
        let base = side("base_metric", self);
        let conversion = side("conversion_metric", self);
        self.conversion(fields, base, conversion)
    }
}
