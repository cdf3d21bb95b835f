//! How a metric is computed, as JSON text with dbt's keys.

use std::fmt::Write as _;

use model::json::quote;
use semantic::{CumulativeScope, Metric, MetricInput, MetricKind};

use crate::metadata::all_of;

/// The parameters of a metric's type.
pub(super) fn json(metric: &Metric) -> String {
    let mut object = Object::default();
    match &metric.kind {
        MetricKind::Simple(simple) => {
            object.text("measure", simple.measure.as_deref().unwrap_or(&metric.name));
            object.text("expr", &simple.expr);
            object.text("agg_time_dimension", &simple.agg_time_dimension);
            if let Some(value) = simple.fill_nulls_with {
                object.raw("fill_nulls_with", value);
            }
            object.raw("join_to_timespine", simple.join_to_timespine);
        }
        MetricKind::Ratio { numerator, denominator } => {
            object.raw("numerator", input(numerator));
            object.raw("denominator", input(denominator));
        }
        MetricKind::Derived { expr, inputs } => {
            object.text("expr", expr);
            let inputs: Vec<String> = inputs.iter().map(input).collect();
            object.raw("metrics", format_args!("[{}]", inputs.join(",")));
        }
        MetricKind::Cumulative { input: of, scope, .. } => {
            object.raw("metric", input(of));
            match scope {
                CumulativeScope::AllTime => {}
                CumulativeScope::Window(window) => object.text("window", &window.to_string()),
                CumulativeScope::GrainToDate(grain) => object.text("grain_to_date", grain.as_str()),
            }
        }
        MetricKind::Conversion(conversion) => {
            object.text("entity", &conversion.entity);
            object.raw("base_metric", input(&conversion.base));
            object.raw("conversion_metric", input(&conversion.conversion));
            if let Some(window) = &conversion.window {
                object.text("window", &window.to_string());
            }
        }
    }
    object.finish()
}

fn input(input: &MetricInput) -> String {
    let mut object = Object::default();
    object.text("name", &input.name);
    if let Some(alias) = &input.alias {
        object.text("alias", alias);
    }
    if let Some(filter) = all_of(&input.filters) {
        object.text("filter", &filter);
    }
    if let Some(window) = &input.offset_window {
        object.text("offset_window", &window.to_string());
    }
    if let Some(grain) = input.offset_to_grain {
        object.text("offset_to_grain", grain.as_str());
    }
    object.finish()
}

#[derive(Default)]
struct Object(String);

impl Object {
    fn text(&mut self, name: &str, value: &str) {
        self.raw(name, quote(value));
    }

    /// A value that is JSON already.
    fn raw(&mut self, name: &str, value: impl std::fmt::Display) {
        let comma = if self.0.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        _ = write!(self.0, "{comma}{}:{value}", quote(name));
    }

    fn finish(self) -> String {
        format!("{{{}}}", self.0)
    }
}
