use arrow::datatypes::DataType;
use datafusion::{
    common::{
        ScalarValue,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    execution::SessionState,
    logical_expr::{BinaryExpr, Expr, Operator, cast, lit, utils::split_conjunction},
    prelude::coalesce,
};
use semantic::{Catalog, GroupBy, MetricKind, MetricQuery, MetricRequest, MetricValue, TimeConstraint};

use super::{
    column::Role,
    measure::Wanted,
    refusal,
    template::{template, volatile},
    time::{self, Bounds},
    tower::Tower,
};
use crate::Error;

/// A metric query in the making, and how the columns of the replaced node come from its answer.
#[derive(Debug)]
pub(super) struct Question<'a> {
    tower: &'a Tower,
    definitions: &'a Catalog,
    keys: Vec<Expr>,
    metrics: Vec<MetricRequest>,
    extreme: Option<Expr>,
    outputs: Vec<Output>,
}

/// One column of the replaced node.
#[derive(Debug)]
enum Output {
    /// A group key, by number.
    Key(usize),
    /// A metric, by number.
    Metric(usize),
    /// The same, and 0 where there is none.
    Count(usize),
    Extreme {
        largest: bool,
    },
    /// Calculated from keys and measures; these stand as the view's columns in it.
    Calculated(Expr),
}

impl<'a> Question<'a> {
    pub(super) fn new(tower: &'a Tower, definitions: &'a Catalog) -> Self {
        let (keys, metrics, outputs) = (Vec::new(), Vec::new(), Vec::new());
        Self { tower, definitions, keys, metrics, extreme: None, outputs }
    }

    /// A group key.
    pub(super) fn group(&mut self, expr: &Expr) -> Result<(), Error> {
        if let Some(measure) = self.tower.measure_in(expr) {
            return Err(refusal::measure_in_group_by(&measure));
        }
        if let Some(function) = volatile(expr) {
            return Err(refusal::random_key(&function));
        }
        let output = match expr.column_refs().is_empty() {
            true => Output::Calculated(expr.clone()),
            false => Output::Key(self.key(expr)),
        };
        self.outputs.push(output);
        Ok(())
    }

    /// An aggregate.
    pub(super) fn aggregate(&mut self, wanted: Wanted) -> Result<(), Error> {
        let output = match wanted {
            Wanted::Metric(request) => Output::Metric(self.metric(request)),
            Wanted::Count(request) => Output::Count(self.metric(request)),
            Wanted::Extreme { of, largest } => {
                let other = self.extreme.as_ref().is_some_and(|known| *known != of);
                if other {
                    let name = self.tower.dimension_in(&of).unwrap_or_default();
                    return Err(refusal::not_of_the_root(
                        "MIN and MAX of several dimensions",
                        self.tower.view(),
                        &name,
                    ));
                }
                self.extreme = Some(of);
                Output::Extreme { largest }
            }
        };
        self.outputs.push(output);
        Ok(())
    }

    /// A column of a tower without an aggregate (SQL-4): dimensions group, measures are as they are.
    pub(super) fn bare(&mut self, expr: &Expr) -> Result<(), Error> {
        if self.tower.measure_in(expr).is_none() {
            return self.group(expr);
        }
        if let Some(function) = volatile(expr) {
            return Err(refusal::random_key(&function));
        }
        let columns: Vec<Role> = self.tower.columns_in(expr).iter().map(|c| c.role.clone()).collect();
        let names: Vec<String> = self.tower.columns_in(expr).iter().map(|c| c.name.clone()).collect();
        for (role, name) in columns.into_iter().zip(names) {
            match role {
                Role::Measure(metric) => {
                    self.metric(MetricRequest::named(metric));
                }
                _ => {
                    self.key(&super::tower::column(&name));
                }
            }
        }
        self.outputs.push(Output::Calculated(expr.clone()));
        Ok(())
    }

    fn key(&mut self, expr: &Expr) -> usize {
        place(&mut self.keys, expr.clone())
    }

    fn metric(&mut self, request: MetricRequest) -> usize {
        place(&mut self.metrics, request)
    }

    /// Checks one condition of WHERE or FILTER.
    pub(super) fn condition(condition: &Expr, tower: &Tower) -> Result<(), Error> {
        for part in split_conjunction(condition) {
            if let Some(measure) = tower.measure_in(part) {
                return Err(match (part, tower.dimension_in(part)) {
                    (Expr::BinaryExpr(BinaryExpr { op: Operator::Or, .. }), Some(dimension)) => {
                        refusal::mixed(&measure, &dimension)
                    }
                    _ => refusal::measure_in_where(&measure),
                });
            }
            if let Some(function) = volatile(part) {
                return Err(refusal::random_filter(&function));
            }
        }
        Ok(())
    }

    /// The metric query.
    pub(super) fn query(&self, session: &SessionState) -> Result<MetricQuery, Error> {
        let view = self.tower.view();
        if let Some(extreme) = &self.extreme
            && (!self.keys.is_empty() || !self.metrics.is_empty())
        {
            let name = self.tower.dimension_in(extreme).unwrap_or_default();
            return Err(refusal::not_of_the_root("MIN or MAX", view, &name));
        }
        let metric_time = self.metric_time();
        let keys: Vec<&Expr> = self.keys.iter().chain(&self.extreme).collect();
        let mut group_by = Vec::new();
        for (n, key) in keys.iter().enumerate() {
            group_by.push(self.group_by(key, n, metric_time)?);
        }
        let metrics = self.requests();
        if metrics.is_empty() && group_by.is_empty() {
            return Err(refusal::nothing_asked(view));
        }
        let mut bounds = Bounds::default();
        let mut filters = view.filters.clone();
        for condition in self.tower.filters.iter().flat_map(split_conjunction) {
            Self::condition(condition, self.tower)?;
            if !metrics.is_empty() && bounds.take(condition, self.tower, session) {
                continue;
            }
            filters.push(self.filter(condition, metric_time)?);
        }
        let time = bounds.range().map(TimeConstraint::Between);
        let min_max_only = self.extreme.is_some();
        Ok(MetricQuery { metrics, group_by, filters, time, min_max_only, ..MetricQuery::default() })
    }

    /// Without metrics `metric_time` would come from the time spine (Q16); over one model's rows it is
    /// that model's own time.
    fn metric_time(&self) -> &str {
        match self.tower.view().roots.as_slice() {
            [root] if self.metrics.is_empty() => root.time.as_deref().unwrap_or("metric_time"),
            _ => "metric_time",
        }
    }

    fn filter(&self, condition: &Expr, metric_time: &str) -> Result<String, Error> {
        match self.tower.column(condition).map(|column| &column.role) {
            // By itself membership is a semi-join.
            Some(Role::Member { qualified, audience }) if *qualified == format!("profile__in_{audience}") => {
                Ok(format!("{{{{ Audience('{audience}') }}}}"))
            }
            _ => template(condition, self.tower, metric_time),
        }
    }

    fn group_by(&self, key: &Expr, number: usize, metric_time: &str) -> Result<GroupBy, Error> {
        if let Some(mut form) = time::form(key, self.tower) {
            if form.qualified == "metric_time" {
                metric_time.clone_into(&mut form.qualified);
            }
            return Ok(GroupBy::Name(form.group_by()));
        }
        if let Some(Role::Dimension(qualified) | Role::Member { qualified, .. }) =
            self.tower.column(key).map(|column| &column.role)
        {
            return Ok(GroupBy::Name(qualified.clone()));
        }
        let of_time = self.tower.columns_in(key).iter().any(|c| c.dimension() == Some("metric_time"));
        if of_time && let Some((metric, kind)) = self.looks_across_time() {
            return Err(refusal::time_forms(metric, kind));
        }
        let column = format!("key_{}", number + 1);
        Ok(GroupBy::Computed { template: template(key, self.tower, metric_time)?, column })
    }

    /// A metric that looks across periods, and how.
    fn looks_across_time(&self) -> Option<(&str, &'static str)> {
        self.metrics.iter().find_map(|request| match &request.value {
            MetricValue::Named(name) => {
                across_time(self.definitions, name, 0).map(|kind| (name.as_str(), kind))
            }
            MetricValue::AdHoc { .. } => None,
        })
    }

    /// The metrics, each with a column of its own.
    fn requests(&self) -> Vec<MetricRequest> {
        let mut taken: Vec<String> = Vec::new();
        let mut requests = self.metrics.clone();
        for request in &mut requests {
            let stem = match &request.value {
                MetricValue::Named(name) => name.clone(),
                MetricValue::AdHoc { .. } => "value".to_owned(),
            };
            let ad_hoc = matches!(request.value, MetricValue::AdHoc { .. });
            let free = |name: &String| {
                !taken.contains(name) && (*name == stem || self.definitions.metric(name).is_none())
            };
            let numbered = (1..).map(|n| if n == 1 { stem.clone() } else { format!("{stem}_{n}") });
            let column = numbered.into_iter().find(free).unwrap_or_else(|| stem.clone());
            if ad_hoc || column != stem {
                request.alias = Some(column.clone());
            }
            taken.push(column);
        }
        requests
    }

    /// The columns of the replaced node over `answer`, the columns of the metric query's answer: group
    /// keys first, then metrics. Each has the type that was planned for it.
    pub(super) fn columns(&self, answer: &[Expr], planned: &[DataType]) -> Result<Vec<Expr>, Error> {
        let get = |n: usize| {
            answer.get(n).cloned().ok_or_else(|| Error::internal("a metric query answers too few columns"))
        };
        let metric = |n: usize| get(self.keys.len() + n);
        let mut columns = Vec::new();
        for (output, data_type) in self.outputs.iter().zip(planned) {
            let column = match output {
                Output::Key(n) => get(*n)?,
                Output::Metric(n) => metric(*n)?,
                Output::Count(n) => coalesce(vec![metric(*n)?, lit(0_i64)]),
                Output::Extreme { largest } => get(usize::from(*largest))?,
                Output::Calculated(expr) => self.calculated(expr, answer)?,
            };
            columns.push(cast(column, data_type.clone()));
        }
        Ok(columns)
    }

    fn calculated(&self, expr: &Expr, answer: &[Expr]) -> Result<Expr, Error> {
        let filled = expr.clone().transform_down(|expr| {
            let Some(column) = self.tower.column(&expr) else { return Ok(Transformed::no(expr)) };
            let place = match column.measure() {
                Some(metric) => {
                    let wanted = MetricRequest::named(metric);
                    self.metrics.iter().position(|m| *m == wanted).map(|n| self.keys.len() + n)
                }
                None => self.keys.iter().position(|key| *key == expr),
            };
            let value = place.and_then(|n| answer.get(n)).cloned();
            let value = value.map(|value| cast(value, column.data_type.clone()));
            let value = value.unwrap_or_else(|| lit(ScalarValue::Null));
            Ok(Transformed::new(value, true, TreeNodeRecursion::Jump))
        })?;
        Ok(filled.data)
    }
}

fn place<T: PartialEq>(all: &mut Vec<T>, one: T) -> usize {
    all.iter().position(|known| *known == one).unwrap_or_else(|| {
        all.push(one);
        all.len() - 1
    })
}

/// How a metric looks across periods, if it does.
fn across_time(definitions: &Catalog, name: &str, depth: usize) -> Option<&'static str> {
    const DEPTH: usize = 64;
    let metric = definitions.metric(name).filter(|_| depth < DEPTH)?;
    match &metric.kind {
        MetricKind::Cumulative { .. } => Some("is cumulative"),
        MetricKind::Derived { inputs, .. } => {
            let offset = inputs.iter().any(|i| i.offset_window.is_some() || i.offset_to_grain.is_some());
            match offset {
                true => Some("compares periods"),
                false => inputs.iter().find_map(|i| across_time(definitions, &i.name, depth + 1)),
            }
        }
        MetricKind::Ratio { numerator, denominator } => {
            [numerator, denominator].into_iter().find_map(|i| across_time(definitions, &i.name, depth + 1))
        }
        MetricKind::Simple(_) | MetricKind::Conversion(_) => None,
    }
}
