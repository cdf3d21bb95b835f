use model::{ColumnType, Diagnostic, Timestamp};
use sqlparser::ast::Statement;

use super::{
    calendar,
    leaves::{Above, Branch, BranchKind, Condition, Formula, Leaf, LeafValue},
    names::Asked,
    order,
    plan::Select,
    planner::Planner,
    resolve::{Reference, Seat, Take},
};
use crate::{
    Catalog, Grain, GroupBy, MetricQuery, MetricRequest, MetricValue, TimeConstraint, TimeGrain, TimeRange,
    names,
    sql::{self, Dialect},
};

/// A question as SQL.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The text, laid out for people.
    pub sql: String,
    /// The same as a tree.
    pub statement: Statement,
    /// The columns of the answer, in order.
    pub columns: Vec<OutputColumn>,
    /// Every table that is read: schema and name.
    pub tables: Vec<(String, String)>,
}

/// One column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputColumn {
    /// Its name: the qualified name of a group-by, or a metric.
    pub name: String,
    /// What it is.
    pub kind: ColumnKind,
    /// Its type, where it is known.
    pub column_type: Option<ColumnType>,
}

/// What a column of an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// A metric.
    Metric,
    /// A group-by.
    Dimension,
}

/// Turns a question into SQL of the embedded engine, or says everything that is wrong with it.
pub fn compile(catalog: &Catalog, query: &MetricQuery) -> Result<Compiled, Vec<Diagnostic>> {
    compile_for(catalog, query, Dialect::DataFusion)
}

/// Turns a question into SQL of a dialect, or says everything that is wrong with it.
pub fn compile_for(
    catalog: &Catalog,
    query: &MetricQuery,
    dialect: Dialect,
) -> Result<Compiled, Vec<Diagnostic>> {
    let mut planner = Planner::new(catalog);
    let saved;
    let query = match &query.saved_query {
        None => query,
        Some(name) => {
            saved = planner.with_saved(name, query);
            &saved
        }
    };
    let answer = planner.answer(query);
    match answer {
        Some((select, columns)) if planner.faults.is_empty() => {
            let sql::Rendered { statement, sql, tables } = sql::render(&select, dialect)?;
            Ok(Compiled { sql, statement, columns, tables })
        }
        _ => Err(planner.faults),
    }
}

/// A group-by as asked for.
#[derive(Debug, Clone)]
pub(super) enum AskedGroup {
    Name(Asked),
    Computed { template: String, column: String },
}

impl AskedGroup {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Name(asked) => &asked.text,
            Self::Computed { column, .. } => column,
        }
    }
}

/// A metric of the question.
pub(super) struct Wanted {
    /// How messages call it.
    pub(super) name: String,
    column: String,
    formula: Formula,
    pub(super) branches: Vec<usize>,
}

type Answer = (Select, Vec<OutputColumn>);

impl Planner<'_> {
    /// The saved query with what the question adds to it.
    fn with_saved(&mut self, name: &str, query: &MetricQuery) -> MetricQuery {
        let lower = name.to_lowercase();
        let Some(saved) = self.catalog.saved_queries.iter().find(|q| q.name == lower) else {
            let close = names::closest(&lower, self.catalog.saved_queries.iter().map(|q| q.name.as_str()));
            self.fault("unknown_saved_query", format!("unknown saved query '{name}'"), close);
            return query.clone();
        };
        let mut whole = query.clone();
        whole.saved_query = None;
        whole.metrics = saved.metrics.iter().map(|m| MetricRequest::named(m.as_str())).collect();
        for metric in &query.metrics {
            if !whole.metrics.contains(metric) {
                whole.metrics.push(metric.clone());
            }
        }
        whole.group_by = saved.group_by.iter().map(|g| GroupBy::Name(g.clone())).collect();
        for group in &query.group_by {
            if !whole.group_by.contains(group) {
                whole.group_by.push(group.clone());
            }
        }
        whole.filters = saved.filters.iter().chain(&query.filters).cloned().collect();
        if query.order_by.is_empty() {
            whole.order_by.clone_from(&saved.order_by);
        }
        whole.limit = query.limit.or(saved.limit);
        whole
    }

    fn answer(&mut self, query: &MetricQuery) -> Option<Answer> {
        if query.metrics.is_empty() && query.group_by.is_empty() {
            if self.faults.is_empty() {
                self.fault("empty_query", "name at least one metric or group_by", None);
            }
            return None;
        }
        let asked = self.ask(&query.group_by);
        if query.min_max_only
            && (query.group_by.len() != 1
                || !query.metrics.is_empty()
                || !query.order_by.is_empty()
                || query.limit.is_some())
        {
            let message = "min_max_only needs exactly one group_by, and no metrics, order_by or limit";
            self.fault("bad_query", message, None);
        }
        if query.keep_duplicates && !query.metrics.is_empty() {
            self.fault("bad_query", "duplicates can be kept only without metrics", None);
        }
        let (mut select, columns) =
            if query.metrics.is_empty() { self.values(query, &asked) } else { self.metrics(query, &asked) }?;
        select.order = order::order(self, query, &asked, &columns);
        select.limit = query.limit;
        Some((select, columns))
    }

    fn ask(&mut self, group_by: &[GroupBy]) -> Vec<AskedGroup> {
        let custom = |grain: &str| self.catalog.graph.custom_grain(grain).is_some();
        let mut asked = Vec::new();
        let mut faults = Vec::new();
        for item in group_by {
            match item {
                GroupBy::Name(text) => match Asked::parse(text, &custom) {
                    Ok(one) => asked.push(AskedGroup::Name(one)),
                    Err(message) => faults.push(format!("group_by '{text}': {message}")),
                },
                GroupBy::Computed { template, column } => {
                    asked.push(AskedGroup::Computed { template: template.clone(), column: column.clone() });
                }
            }
        }
        faults.into_iter().for_each(|message| self.fault("bad_group_by", message, None));
        asked
    }

    fn metrics(&mut self, query: &MetricQuery, asked: &[AskedGroup]) -> Option<Answer> {
        self.columns = asked.iter().map(|a| a.text().to_owned()).collect();
        let default = self.default_of(&query.metrics);
        let mut wanted: Vec<Wanted> = Vec::new();
        for request in &query.metrics {
            let Some(one) = self.want(request, &default) else { continue };
            if wanted.iter().any(|w| w.column == one.column) {
                self.fault("duplicate_metric", format!("metric '{}' is asked for twice", one.column), None);
                continue;
            }
            wanted.push(one);
        }
        if wanted.is_empty() {
            return None;
        }
        let groups = self.groups(asked, &wanted, &default);
        let first: Vec<String> = groups.first().into_iter().flatten().map(|r| r.column.clone()).collect();
        for (i, name) in first.iter().enumerate() {
            if first[..i].contains(name) {
                self.fault("duplicate_group_by", format!("'{name}' is asked for twice"), None);
            }
            if wanted.iter().any(|w| w.column == *name) {
                self.fault("duplicate_group_by", format!("'{name}' names a group_by and a metric"), None);
            }
        }
        self.question_filters(&query.filters, &default);
        self.range = self.range_of(query, groups.first().map_or(&[][..], Vec::as_slice), &query.metrics);
        let whole = groups.iter().all(|g| g.len() == asked.len());
        let mut built = Vec::new();
        for (n, refs) in groups.iter().enumerate() {
            if refs.len() == asked.len() {
                built.extend(self.build(n, refs));
            } else {
                self.check_filters(n, asked);
            }
        }
        if !self.faults.is_empty() || !whole || built.len() != groups.len() {
            return None;
        }
        let metrics: Vec<(String, Formula)> =
            wanted.iter().map(|w| (w.column.clone(), w.formula.clone())).collect();
        let dimension = |r: &Reference| OutputColumn {
            name: r.column.clone(),
            kind: ColumnKind::Dimension,
            column_type: r.column_type,
        };
        let metric = |w: &Wanted| OutputColumn {
            name: w.column.clone(),
            kind: ColumnKind::Metric,
            column_type: w.formula.column_type(&self.leaves),
        };
        let columns = groups[0].iter().map(dimension).chain(wanted.iter().map(metric)).collect();
        Some((self.combine(built, &first, &metrics), columns))
    }

    /// Filters of the question, read with its own grain of `metric_time`.
    pub(super) fn question_filters(&mut self, texts: &[String], default: &TimeGrain) {
        self.filters = texts
            .iter()
            .map(|text| Condition { text: text.as_str().into(), default: default.clone(), owner: None })
            .collect();
    }

    /// Q4: the largest default grain of the metrics.
    fn default_of(&self, metrics: &[MetricRequest]) -> TimeGrain {
        let rank = |grain: &TimeGrain| match grain {
            TimeGrain::Standard(grain) => *grain,
            TimeGrain::Custom(name) => {
                let spine =
                    self.catalog.graph.custom_grain(name).map(|(s, _)| self.catalog.time_spines[s].grain);
                spine.unwrap_or(Grain::Day)
            }
        };
        let of = |request: &MetricRequest| match &request.value {
            MetricValue::Named(name) => {
                let number = self.catalog.graph.metric(&name.to_lowercase())?;
                Some(self.default_grain(&self.catalog.metrics[number]))
            }
            MetricValue::AdHoc { model, .. } => {
                let base = self.ad_hoc_seat(model)?.1.base?;
                Some(base.max(Grain::Day).into())
            }
        };
        metrics.iter().filter_map(of).max_by_key(rank).unwrap_or(Grain::Day.into())
    }

    fn ad_hoc_seat(&self, model: &str) -> Option<(usize, Seat)> {
        let m = self.catalog.graph.model(&model.to_lowercase())?;
        let time = self.catalog.semantic_models[m].default_agg_time_dimension.as_deref().unwrap_or_default();
        Some((m, Seat::of(self.catalog, m, time)))
    }

    fn want(&mut self, request: &MetricRequest, default: &TimeGrain) -> Option<Wanted> {
        let filter =
            |text: &String| Condition { text: text.as_str().into(), default: default.clone(), owner: None };
        let above = Above { filters: request.filters.iter().map(filter).collect(), ..Above::default() };
        let (name, formula) = match &request.value {
            MetricValue::Named(written) => {
                let name = written.trim().to_lowercase();
                let number = self.catalog.graph.metric(&name).filter(|n| !self.catalog.metrics[*n].private);
                let Some(number) = number else {
                    let known = self.catalog.metrics.iter().filter(|m| !m.private).map(|m| m.name.as_str());
                    let close = names::closest(&name, known);
                    self.fault("unknown_metric", format!("unknown metric '{written}'"), close);
                    return None;
                };
                (name, self.take_apart(number, &above)?)
            }
            MetricValue::AdHoc { agg, template, model } => {
                let Some((m, seat)) = self.ad_hoc_seat(model) else {
                    self.fault("unknown_model", format!("unknown model '{model}'"), None);
                    return None;
                };
                let branch = self.branch(Branch {
                    model: m,
                    seat,
                    filters: above.filters,
                    shifts: Vec::new(),
                    kind: BranchKind::Plain,
                    every_point: false,
                    needs_time: None,
                });
                let infer = sql::parse_expr(template).ok().and_then(|e| sql::infer(&e, &|_| None));
                let wanted = request.alias.as_deref().unwrap_or("value");
                let leaf = Leaf {
                    branch,
                    column: String::new(),
                    metric: wanted.to_owned(),
                    agg: *agg,
                    value: LeafValue::Template(template.clone()),
                    column_type: sql::result_type(*agg, infer),
                    fill: None,
                };
                (wanted.to_owned(), Formula::Leaf(self.add_leaf(leaf, wanted)))
            }
        };
        let column = request.alias.clone().unwrap_or_else(|| name.clone());
        let mut leaves = Vec::new();
        formula.leaves(&mut leaves);
        let mut branches: Vec<usize> = leaves.iter().map(|l| self.leaves[*l].branch).collect();
        // What conversions are divided by, or stand beside.
        branches.extend(branches.clone().into_iter().filter_map(|b| match &self.branches[b].kind {
            BranchKind::Conversion(conversion) => Some(conversion.base),
            _ => None,
        }));
        branches.sort_unstable();
        branches.dedup();
        Some(Wanted { name, column, formula, branches })
    }

    /// The instants a question is bound to (Q5).
    pub(super) fn range_of(
        &self,
        query: &MetricQuery,
        refs: &[Reference],
        metrics: &[MetricRequest],
    ) -> Option<TimeRange> {
        let (start, end) = match query.time? {
            TimeConstraint::Between(range) => return Some(range),
            TimeConstraint::Periods { start, end } => (start, end),
        };
        let asked = refs.iter().filter_map(|r| match r.take {
            Take::Grain(grain) if r.is_time() => Some(grain),
            _ => None,
        });
        // The finest grain that all of the metrics have.
        let own = || {
            let numbers =
                metrics.iter().filter_map(|m| self.catalog.graph.metric(&m.column()?.to_lowercase()));
            numbers.filter_map(|n| self.base_grain(&self.catalog.metrics[n], 0)).max()
        };
        let grain = asked.min().or_else(own).unwrap_or(Grain::Day);
        let bound = |text| Timestamp::parse(text).unwrap_or(start);
        let from = calendar::start(grain, start).max(bound("2000-01-01"));
        // A reversed range is an empty one, however long its last period is.
        let to = if end < start { from } else { calendar::end(grain, end).min(bound("2041-01-01")) };
        Some(TimeRange { from: Some(from), to: Some(to) })
    }
}
