//! Names in lower case (N1).

use crate::load::declared::{
    Aggregate, At, Declared, Input, Kind, MeasureInput, Metric, Model, SavedQuery, Side, Simple, View,
};

fn low(name: &mut At<String>) {
    if name.value.chars().any(char::is_uppercase) {
        name.value = name.value.to_lowercase();
    }
}

pub(super) fn lower(declared: &mut Declared) {
    declared.models.iter_mut().for_each(model);
    declared.metrics.iter_mut().for_each(metric);
    declared.saved_queries.iter_mut().for_each(saved_query);
    declared.views.iter_mut().flatten().for_each(view);
    declared.spines.iter_mut().flat_map(|s| &mut s.custom_grains).for_each(|(name, _)| low(name));
}

fn model(model: &mut Model) {
    low(&mut model.name);
    model.primary_entity.iter_mut().chain(&mut model.agg_time).for_each(low);
    model.entities.iter_mut().for_each(|e| low(&mut e.name));
    model.dimensions.iter_mut().for_each(|d| low(&mut d.name));
    for measure in &mut model.measures {
        low(&mut measure.name);
        aggregate(&mut measure.aggregate);
    }
}

fn aggregate(aggregate: &mut Aggregate) {
    aggregate.agg_time.iter_mut().for_each(low);
    if let Some(non_additive) = &mut aggregate.non_additive {
        low(&mut non_additive.dimension);
        non_additive.window_groupings.iter_mut().for_each(low);
    }
}

fn metric(metric: &mut Metric) {
    low(&mut metric.name);
    match &mut metric.kind {
        Kind::Simple(Simple { measure, own, .. }) => {
            measure.iter_mut().for_each(measure_input);
            if let Some(own) = own {
                low(&mut own.model);
                aggregate(&mut own.aggregate);
            }
        }
        Kind::Ratio { numerator, denominator } => {
            input(numerator);
            input(denominator);
        }
        Kind::Derived { inputs, .. } => inputs.iter_mut().for_each(input),
        Kind::Cumulative(cumulative) => side(&mut cumulative.input),
        Kind::Conversion(conversion) => {
            low(&mut conversion.entity);
            side(&mut conversion.base);
            side(&mut conversion.conversion);
            for (base, conversion) in &mut conversion.constant_properties {
                low(base);
                low(conversion);
            }
        }
    }
}

fn side(side: &mut Side) {
    match side {
        Side::Metric(metric) => input(metric),
        Side::Measure(measure) => measure_input(measure),
    }
}

fn input(input: &mut Input) {
    low(&mut input.name);
    input.alias.iter_mut().for_each(low);
}

fn measure_input(input: &mut MeasureInput) {
    low(&mut input.name);
    input.alias.iter_mut().for_each(low);
}

fn saved_query(query: &mut SavedQuery) {
    low(&mut query.name);
    query.metrics.iter_mut().for_each(low);
}

fn view(view: &mut View) {
    low(&mut view.name);
    view.metrics.iter_mut().for_each(low);
}
