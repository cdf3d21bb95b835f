//! What a metric is made of: branches of aggregates, and the formula over them.

use std::sync::Arc;

use model::ColumnType;
use sqlparser::ast;

use super::{plan::Scalar, planner::Planner, resolve::Seat};
use crate::{
    Aggregation, ConversionCalculation, CumulativeScope, Grain, Metric, MetricInput, MetricKind, NonAdditive,
    PeriodAggregation, SimpleMetric, TimeGrain, TimeWindow, sql,
};

/// A filter, and how its `metric_time` reads (Q3.3).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    pub(super) text: Arc<str>,
    pub(super) default: TimeGrain,
    /// The metric whose definition it is part of; none for the question's own.
    pub(super) owner: Option<Arc<str>>,
}

/// How a point of time is moved before rows are looked up.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shift {
    Back(u32, Grain),
    BackCustom { spine: usize, number: usize, count: u32 },
    ToGrain(Grain),
}

/// Aggregates over the same rows (Q6).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Branch {
    pub(super) model: usize,
    pub(super) seat: Seat,
    pub(super) filters: Vec<Condition>,
    /// Inner first.
    pub(super) shifts: Vec<Shift>,
    pub(super) kind: BranchKind,
    /// A row for every point of the spine (Q8.3).
    pub(super) every_point: bool,
    /// Why it has no answer without time, naming the metric.
    pub(super) needs_time: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum BranchKind {
    Plain,
    SemiAdditive(NonAdditive),
    Cumulative(CumulativeScope, PeriodAggregation),
    /// What the rows of the branch led to.
    Conversion(Box<Conversion>),
}

/// The other side of a conversion branch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conversion {
    pub(super) metric: String,
    /// The branch of the opportunities.
    pub(super) base: usize,
    pub(super) model: usize,
    pub(super) seat: Seat,
    pub(super) filters: Vec<Condition>,
    pub(super) window: Option<TimeWindow>,
    /// Names of elements of base and conversion that are equal; the entity first.
    pub(super) equal: Vec<(String, String)>,
}

/// One aggregate.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Leaf {
    pub(super) branch: usize,
    /// Column it has inside the query; unique over all leaves.
    pub(super) column: String,
    pub(super) metric: String,
    pub(super) agg: Aggregation,
    pub(super) value: LeafValue,
    pub(super) column_type: Option<ColumnType>,
    pub(super) fill: Option<i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum LeafValue {
    Expr(Arc<ast::Expr>),
    Template(String),
}

/// A metric over leaves, by their numbers.
#[derive(Debug, Clone)]
pub(super) enum Formula {
    Leaf(usize),
    Ratio(Box<Formula>, Box<Formula>),
    Derived(Arc<ast::Expr>, Vec<(String, Formula)>),
}

impl Formula {
    pub(super) fn leaves(&self, found: &mut Vec<usize>) {
        match self {
            Self::Leaf(n) => found.push(*n),
            Self::Ratio(a, b) => {
                a.leaves(found);
                b.leaves(found);
            }
            Self::Derived(_, inputs) => inputs.iter().for_each(|(_, f)| f.leaves(found)),
        }
    }

    /// Its value, given those of the leaves.
    pub(super) fn value(&self, leaf: &dyn Fn(usize) -> Scalar) -> Scalar {
        match self {
            Self::Leaf(n) => leaf(*n),
            Self::Ratio(a, b) => Scalar::Ratio(Box::new(a.value(leaf)), Box::new(b.value(leaf))),
            Self::Derived(expr, inputs) => {
                let mut tree = (**expr).clone();
                let mut holes = Vec::new();
                sql::replace(&mut tree, &mut |name| {
                    let input = inputs.iter().find(|(alias, _)| alias == name)?;
                    holes.push(input.1.value(leaf));
                    Some(sql::bare(&super::plan::mark(holes.len() - 1)))
                });
                Scalar::Template(Arc::new(tree), holes)
            }
        }
    }

    /// Type of its value, where it is known.
    pub(super) fn column_type(&self, leaves: &[Leaf]) -> Option<ColumnType> {
        match self {
            Self::Leaf(n) => leaves[*n].column_type,
            Self::Ratio(..) => Some(ColumnType::Float64),
            Self::Derived(expr, inputs) => {
                let of = |name: &str| inputs.iter().find(|(a, _)| a == name)?.1.column_type(leaves);
                sql::infer(expr, &of)
            }
        }
    }
}

/// What is around a metric while it is taken apart.
#[derive(Debug, Clone, Default)]
pub(super) struct Above {
    pub(super) filters: Vec<Condition>,
    pub(super) shifts: Vec<Shift>,
    pub(super) needs_time: Option<String>,
}

impl<'a> Planner<'a> {
    /// Takes a metric apart. Leaves that are there already are shared.
    pub(super) fn take_apart(&mut self, number: usize, above: &Above) -> Option<Formula> {
        let catalog = self.catalog;
        let metric = &catalog.metrics[number];
        if self.depth > 40 {
            self.fault("cyclic_metric", format!("metric '{}' is made of itself", metric.name), None);
            return None;
        }
        self.depth += 1;
        let own = self.conditions(metric, &metric.filters);
        let mut inside = above.clone();
        inside.filters.extend(own);
        let found = match &metric.kind {
            MetricKind::Simple(simple) => self.simple(metric, simple, &inside, BranchKind::Plain),
            MetricKind::Ratio { numerator, denominator } => {
                let numerator = self.input(metric, numerator, &inside);
                let denominator = self.input(metric, denominator, &inside);
                Some(Formula::Ratio(Box::new(numerator?), Box::new(denominator?)))
            }
            MetricKind::Derived { expr, inputs } => {
                let expr = catalog.graph.expr(number, expr, true);
                let found: Vec<_> = inputs
                    .iter()
                    .filter_map(|i| Some((i.output_name().to_owned(), self.input(metric, i, &inside)?)))
                    .collect();
                (found.len() == inputs.len()).then_some(Formula::Derived(expr, found))
            }
            MetricKind::Cumulative { input, scope, period_agg } => {
                inside.filters.extend(self.conditions(metric, &input.filters));
                if inside.needs_time.is_none() && *scope != CumulativeScope::AllTime {
                    inside.needs_time =
                        Some(format!("'{}' is cumulative; group by metric_time", metric.name));
                }
                let kind = BranchKind::Cumulative(scope.clone(), *period_agg);
                self.simple_input(metric, input).and_then(|(inner, simple)| {
                    inside.filters.extend(self.conditions(inner, &inner.filters));
                    self.simple(inner, simple, &inside, kind)
                })
            }
            MetricKind::Conversion(conversion) => self.conversion(metric, conversion, inside),
        };
        self.depth -= 1;
        found
    }

    fn input(&mut self, metric: &Metric, input: &MetricInput, above: &Above) -> Option<Formula> {
        let Some(number) = self.catalog.graph.metric(&input.name) else {
            let message = format!("metric '{}': input metric '{}' does not exist", metric.name, input.name);
            self.fault("unknown_metric", message, None);
            return None;
        };
        let mut inside = above.clone();
        inside.filters.extend(self.conditions(metric, &input.filters));
        let shift = match (&input.offset_window, input.offset_to_grain) {
            (Some(window), _) => Some(self.back(window)?),
            (None, Some(grain)) => Some(Shift::ToGrain(grain)),
            (None, None) => None,
        };
        if let Some(shift) = shift {
            inside.shifts.insert(0, shift);
            let needs = format!("'{}' compares periods; group by metric_time", metric.name);
            inside.needs_time.get_or_insert(needs);
        }
        self.take_apart(number, &inside)
    }

    fn back(&mut self, window: &TimeWindow) -> Option<Shift> {
        match &window.grain {
            TimeGrain::Standard(grain) => Some(Shift::Back(window.count, *grain)),
            TimeGrain::Custom(name) => {
                let found = self.catalog.graph.custom_grain(name);
                if found.is_none() {
                    self.fault("bad_grain", format!("unknown grain '{name}'"), None);
                }
                let (spine, number) = found?;
                Some(Shift::BackCustom { spine, number, count: window.count })
            }
        }
    }

    /// Filters of a definition.
    pub(super) fn conditions(&self, metric: &Metric, texts: &[String]) -> Vec<Condition> {
        if texts.is_empty() {
            return Vec::new();
        }
        let default = self.default_grain(metric);
        let owner: Arc<str> = metric.name.as_str().into();
        let condition = |text: &String| Condition {
            text: text.as_str().into(),
            default: default.clone(),
            owner: Some(Arc::clone(&owner)),
        };
        texts.iter().map(condition).collect()
    }

    fn simple_input(
        &mut self,
        metric: &Metric,
        input: &MetricInput,
    ) -> Option<(&'a Metric, &'a SimpleMetric)> {
        let catalog = self.catalog;
        let found = catalog.graph.metric(&input.name).map(|n| &catalog.metrics[n]);
        if let Some(inner) = found
            && let MetricKind::Simple(simple) = &inner.kind
        {
            return Some((inner, simple));
        }
        let message = format!("metric '{}': input '{}' must be a simple metric", metric.name, input.name);
        self.fault("bad_metric", message, None);
        None
    }

    fn simple(
        &mut self,
        metric: &Metric,
        simple: &SimpleMetric,
        above: &Above,
        mut kind: BranchKind,
    ) -> Option<Formula> {
        let model = self.model(metric, simple)?;
        if let Some(non_additive) = &simple.non_additive {
            if kind != BranchKind::Plain {
                let message = format!("'{}' is semi-additive and cannot be added up over time", metric.name);
                self.fault("unsupported", message, None);
                return None;
            }
            kind = BranchKind::SemiAdditive(non_additive.clone());
        }
        let branch = Branch {
            model,
            seat: Seat::of(self.catalog, model, &simple.agg_time_dimension),
            filters: self.once(&above.filters),
            shifts: above.shifts.clone(),
            kind,
            every_point: simple.join_to_timespine,
            needs_time: above.needs_time.clone(),
        };
        Some(self.leaf(metric, simple, branch))
    }

    fn once(&self, all: &[Condition]) -> Vec<Condition> {
        let mut found: Vec<Condition> = Vec::with_capacity(all.len());
        for condition in all {
            if !found.iter().any(|c| c.text == condition.text && c.default == condition.default) {
                found.push(condition.clone());
            }
        }
        found
    }

    fn model(&mut self, metric: &Metric, simple: &SimpleMetric) -> Option<usize> {
        let model = self.catalog.graph.model(&simple.model);
        if model.is_none() {
            let message = format!("metric '{}': model '{}' does not exist", metric.name, simple.model);
            self.fault("unknown_model", message, None);
        }
        model
    }

    fn leaf(&mut self, metric: &Metric, simple: &SimpleMetric, branch: Branch) -> Formula {
        let branch = self.branch(branch);
        let number = self.catalog.graph.metric(&metric.name).unwrap_or_default();
        let expr = self.catalog.graph.expr(number, &simple.expr, false);
        let column_type =
            simple.column_type.or_else(|| sql::result_type(simple.agg, sql::infer(&expr, &|_| None)));
        let wanted = simple.measure.as_ref().unwrap_or(&metric.name);
        let fill = simple.fill_nulls_with;
        let leaf = Leaf {
            branch,
            column: String::new(),
            metric: metric.name.clone(),
            agg: simple.agg,
            value: LeafValue::Expr(expr),
            column_type,
            fill,
        };
        Formula::Leaf(self.add_leaf(leaf, wanted))
    }

    /// The number of a branch, shared with an equal one.
    pub(super) fn branch(&mut self, branch: Branch) -> usize {
        let same = |other: &Branch| {
            other.model == branch.model
                && other.seat == branch.seat
                && other.filters == branch.filters
                && other.shifts == branch.shifts
                && other.kind == branch.kind
                && other.every_point == branch.every_point
        };
        self.branches.iter().position(same).unwrap_or_else(|| {
            self.branches.push(branch);
            self.branches.len() - 1
        })
    }

    pub(super) fn add_leaf(&mut self, mut leaf: Leaf, wanted: &str) -> usize {
        let same = |other: &Leaf| {
            other.branch == leaf.branch
                && other.agg == leaf.agg
                && other.value == leaf.value
                && other.fill == leaf.fill
        };
        if let Some(known) = self.leaves.iter().position(same) {
            return known;
        }
        let taken = |name: &str| {
            self.leaves.iter().any(|l| l.column == name) || self.columns.iter().any(|c| c == name)
        };
        let mut column = wanted.to_owned();
        let mut n = 2;
        while taken(&column) {
            column = format!("{wanted}_{n}");
            n += 1;
        }
        leaf.column = column;
        self.leaves.push(leaf);
        self.leaves.len() - 1
    }

    fn conversion(
        &mut self,
        metric: &Metric,
        conversion: &crate::ConversionMetric,
        mut above: Above,
    ) -> Option<Formula> {
        if !above.shifts.is_empty() {
            let message =
                format!("'{}' is a conversion and cannot be looked up at another time", metric.name);
            self.fault("unsupported", message, None);
            return None;
        }
        let (base, base_simple) = self.simple_input(metric, &conversion.base)?;
        let (other, other_simple) = self.simple_input(metric, &conversion.conversion)?;
        above.filters.extend(self.conditions(metric, &conversion.base.filters));
        above.filters.extend(self.conditions(base, &base.filters));
        let filters = self
            .conditions(metric, &conversion.conversion.filters)
            .into_iter()
            .chain(self.conditions(other, &other.filters))
            .collect();
        let model = self.model(base, base_simple)?;
        let other_model = self.model(other, other_simple)?;
        let properties = conversion.constant_properties.iter();
        let entity = (conversion.entity.clone(), conversion.entity.clone());
        let opportunities = Branch {
            model,
            seat: Seat::of(self.catalog, model, &base_simple.agg_time_dimension),
            filters: self.once(&above.filters),
            shifts: Vec::new(),
            kind: BranchKind::Plain,
            every_point: false,
            needs_time: None,
        };
        let base_branch = self.branch(opportunities.clone());
        let kind = Conversion {
            metric: metric.name.clone(),
            base: base_branch,
            model: other_model,
            seat: Seat::of(self.catalog, other_model, &other_simple.agg_time_dimension),
            filters,
            window: conversion.window.clone(),
            equal: std::iter::once(entity)
                .chain(properties.map(|p| (p.base_property.clone(), p.conversion_property.clone())))
                .collect(),
        };
        let led_to = Branch { kind: BranchKind::Conversion(Box::new(kind)), ..opportunities.clone() };
        let below = self.leaf(base, base_simple, opportunities);
        let above = self.leaf(other, other_simple, led_to);
        Some(match conversion.calculation {
            ConversionCalculation::ConversionRate => Formula::Ratio(Box::new(above), Box::new(below)),
            // Opportunities that led to nothing have their row all the same (Q13.4).
            ConversionCalculation::Conversions => above,
        })
    }

    /// Q4: the grain `metric_time` has for a metric where none is asked for.
    pub(super) fn default_grain(&self, metric: &Metric) -> TimeGrain {
        match &metric.time_granularity {
            Some(grain) => grain.clone(),
            None => self.base_grain(metric, 0).unwrap_or(Grain::Day).max(Grain::Day).into(),
        }
    }

    /// The finest grain a metric can be asked for by: the coarsest of its inputs.
    pub(super) fn base_grain(&self, metric: &Metric, depth: usize) -> Option<Grain> {
        let of = |input: &MetricInput| {
            let number = self.catalog.graph.metric(&input.name)?;
            (depth < 40).then(|| self.base_grain(&self.catalog.metrics[number], depth + 1)).flatten()
        };
        match &metric.kind {
            MetricKind::Simple(simple) => {
                let model = self.catalog.graph.model(&simple.model)?;
                Seat::of(self.catalog, model, &simple.agg_time_dimension).base
            }
            MetricKind::Ratio { numerator, denominator } => of(numerator).max(of(denominator)),
            MetricKind::Derived { inputs, .. } => inputs.iter().filter_map(of).max(),
            MetricKind::Cumulative { input, .. } => of(input),
            MetricKind::Conversion(conversion) => of(&conversion.base),
        }
    }
}
