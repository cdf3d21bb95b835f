//! Branches become selects, and selects meet by their group-bys (Q6).

use model::{Diagnostic, Severity};

use super::{
    filter,
    leaves::{Above, Branch, BranchKind, Condition, Formula, Leaf, LeafValue},
    names::Asked,
    plan::{Aggregate, Join, JoinKind, Rows, Scalar, Select, Source},
    resolve::{Reference, Take, What},
    scope::Scope,
};
use crate::{Catalog, TimeGrain, TimeRange};

/// Plans one question.
pub(super) struct Planner<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) branches: Vec<Branch>,
    pub(super) leaves: Vec<Leaf>,
    /// Names that leaves may not take.
    pub(super) columns: Vec<String>,
    /// Filters of the question itself.
    pub(super) filters: Vec<Condition>,
    pub(super) range: Option<TimeRange>,
    pub(super) faults: Vec<Diagnostic>,
    pub(super) depth: usize,
    pub(super) nested: usize,
}

/// A branch as a select: its group-bys, then its leaves.
pub(super) struct Built {
    pub(super) select: Select,
    /// The leaves are plain aggregates of a grouped select, so that formulas may stand in their place.
    pub(super) plain: bool,
}

impl<'a> Planner<'a> {
    pub(super) fn new(catalog: &'a Catalog) -> Self {
        Self {
            catalog,
            branches: Vec::new(),
            leaves: Vec::new(),
            columns: Vec::new(),
            filters: Vec::new(),
            range: None,
            faults: Vec::new(),
            depth: 0,
            nested: 0,
        }
    }

    /// A problem of the question, once.
    pub(super) fn fault(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        let message = message.into();
        let diagnostic = Diagnostic { code, severity: Severity::Error, span: None, message, suggestion };
        if !self.faults.contains(&diagnostic) {
            self.faults.push(diagnostic);
        }
    }

    /// A metric by one group-by: a select of both.
    pub(super) fn value_by(
        &mut self,
        number: usize,
        by: &Asked,
        default: &TimeGrain,
        above: &Above,
    ) -> Option<Select> {
        let formula = self.take_apart(number, above)?;
        let mut column = by.joined();
        let mut groups = Vec::new();
        for branch in self.branches.clone() {
            match branch.seat.resolve(self.catalog, by, default) {
                Ok(reference) => {
                    column.clone_from(&reference.column);
                    groups.push(vec![reference]);
                }
                Err(fault) => {
                    let known = "no such dimension, or no join path without fan-out";
                    let why = if fault.message.is_empty() { known } else { &fault.message };
                    self.fault(
                        "unknown_group_by",
                        format!("'{}' is not available: {why}", by.text),
                        fault.suggestion,
                    );
                }
            }
        }
        if !self.faults.is_empty() {
            return None;
        }
        let name = self.catalog.metrics[number].name.clone();
        let mut built = Vec::new();
        for (n, refs) in groups.iter().enumerate() {
            built.push(self.build(n, refs)?);
        }
        Some(self.combine(built, &[column], &[(name, formula)]))
    }

    /// A branch as a select.
    pub(super) fn build(&mut self, n: usize, refs: &[Reference]) -> Option<Built> {
        let branch = self.branches[n].clone();
        let timed = refs.iter().any(Reference::is_time);
        if let Some(needs) = branch.needs_time.as_ref().filter(|_| !timed) {
            self.fault("needs_time", needs.clone(), None);
            return None;
        }
        let leaves: Vec<Leaf> = self.leaves.iter().filter(|l| l.branch == n).cloned().collect();
        let mut built = match &branch.kind {
            BranchKind::Plain => self.rows(&branch, &leaves, refs),
            BranchKind::SemiAdditive(rule) => self.semi_additive(&branch, rule, &leaves, refs),
            BranchKind::Cumulative(scope, period) => {
                self.cumulative(&branch, (scope, *period), &leaves, refs)
            }
            BranchKind::Conversion(other) => self.led_to(&branch, other, &leaves, refs),
        }?;
        if branch.every_point && timed && !matches!(branch.kind, BranchKind::Conversion(_)) {
            built = self.every_point(&branch, built.select, &leaves, refs)?;
        }
        for ((_, value), leaf) in built.select.columns[refs.len()..].iter_mut().zip(&leaves) {
            let plain = std::mem::replace(value, Scalar::Int(0));
            *value = plain.or_else(leaf.fill);
        }
        Some(built)
    }

    /// One aggregate over the rows of a branch.
    fn rows(&mut self, branch: &Branch, leaves: &[Leaf], refs: &[Reference]) -> Option<Built> {
        let mut scope = Scope::of_model(self.catalog, branch.seat, branch.model);
        let mut filters = if branch.shifts.is_empty() {
            Vec::new()
        } else {
            self.see_from_afar(&mut scope, branch, None, refs)?
        };
        let mut columns = self.keys(&mut scope, branch, refs)?;
        filters.extend(self.conditions_of(&mut scope, branch, &columns)?);
        for leaf in leaves {
            let of = self.leaf_value(&mut scope, leaf)?;
            columns.push((leaf.column.clone(), aggregate(leaf, of)));
        }
        let select = Select { group_by: refs.len(), ..scope.into_select(columns, filters) };
        Some(Built { select, plain: true })
    }

    /// The group-bys as columns.
    pub(super) fn keys(
        &mut self,
        scope: &mut Scope<'a>,
        branch: &Branch,
        refs: &[Reference],
    ) -> Option<Vec<(String, Scalar)>> {
        let mut columns = Vec::with_capacity(refs.len() + self.leaves.len());
        for reference in refs {
            let value = match &reference.what {
                What::Computed(text) => {
                    let default = TimeGrain::Standard(branch.seat.base.unwrap_or(crate::Grain::Day));
                    let template = self.catalog.graph.template(text);
                    let found =
                        filter::body(&template).and_then(|body| self.fill(scope, body, &default, &[]));
                    found.map_err(|faults| {
                        for fault in faults {
                            let message = format!("group_by '{}'{}", reference.column, fault.text());
                            self.fault("bad_group_by", message, fault.suggestion);
                        }
                    })
                }
                _ => scope.value(reference).map_err(|fault| {
                    self.fault("bad_group_by", fault.message, fault.suggestion);
                }),
            };
            columns.push((reference.column.clone(), value.ok()?));
        }
        Some(columns)
    }

    /// Filters of the branch and of the question, and the bounds on time.
    pub(super) fn conditions_of(
        &mut self,
        scope: &mut Scope<'a>,
        branch: &Branch,
        columns: &[(String, Scalar)],
    ) -> Option<Vec<Scalar>> {
        let mut found = Vec::new();
        let own = self.filters.clone();
        for condition in branch.filters.iter().chain(&own) {
            found.extend(self.condition(scope, condition, columns));
        }
        if let Some(range) = self.range.filter(|r| r.from.is_some() || r.to.is_some()) {
            match scope.time() {
                Some(time) => found.extend(super::time::within(&time, range)),
                None => self.fault("bad_time", "a metric of this question has no time to bound", None),
            }
        }
        self.faults.is_empty().then_some(found)
    }

    /// What a leaf aggregates.
    pub(super) fn leaf_value(&mut self, scope: &mut Scope<'a>, leaf: &Leaf) -> Option<Scalar> {
        match &leaf.value {
            LeafValue::Expr(expr) => Some(scope.measure(expr)),
            LeafValue::Template(text) => {
                let template = self.catalog.graph.template(text);
                let default = TimeGrain::Standard(scope.seat.base.unwrap_or(crate::Grain::Day));
                let found = filter::body(&template).and_then(|body| self.fill(scope, body, &default, &[]));
                match found {
                    Ok(value) => Some(value),
                    Err(faults) => {
                        for fault in faults {
                            self.fault(
                                "bad_aggregate",
                                format!("'{text}'{}", fault.text()),
                                fault.suggestion,
                            );
                        }
                        None
                    }
                }
            }
        }
    }

    /// Branches meet by their group-bys; formulas over their leaves become the metrics.
    pub(super) fn combine(
        &self,
        mut built: Vec<Built>,
        groups: &[String],
        metrics: &[(String, Formula)],
    ) -> Select {
        if built.len() == 1
            && let Some(one) = built.pop()
        {
            return self.single(one, groups, metrics);
        }
        let mut names = Vec::new();
        let mut named = Vec::new();
        for (n, one) in built.into_iter().enumerate() {
            let first = self.leaves.iter().find(|l| l.branch == n).map_or("values", |l| l.column.as_str());
            let mut name = format!("{first}_values");
            while names.contains(&name) {
                name.push('_');
            }
            names.push(name.clone());
            named.push((name, one.select));
        }
        if groups.is_empty() { self.crossed(named, metrics) } else { self.united(named, groups, metrics) }
    }

    fn single(&self, built: Built, groups: &[String], metrics: &[(String, Formula)]) -> Select {
        let mut select = built.select;
        if built.plain {
            let values: Vec<Scalar> =
                select.columns.split_off(groups.len()).into_iter().map(|(_, v)| v).collect();
            let leaf = |n: usize| values[n].clone();
            select.columns.extend(metrics.iter().map(|(name, formula)| (name.clone(), formula.value(&leaf))));
            return select;
        }
        let alias = "points";
        let leaf = |n: usize| Scalar::column(alias, self.leaves[n].column.clone());
        let keys = groups.iter().map(|g| (g.clone(), Scalar::column(alias, g.clone())));
        let values = metrics.iter().map(|(name, formula)| (name.clone(), formula.value(&leaf)));
        Select {
            columns: keys.chain(values).collect(),
            from: Some(Source::select(select, alias)),
            ..Select::default()
        }
    }

    /// Branches of one row each.
    fn crossed(&self, named: Vec<(String, Select)>, metrics: &[(String, Formula)]) -> Select {
        let names: Vec<String> = named.iter().map(|(name, _)| name.clone()).collect();
        let leaf =
            |n: usize| Scalar::column(names[self.leaves[n].branch].clone(), self.leaves[n].column.clone());
        let columns = metrics.iter().map(|(name, formula)| (name.clone(), formula.value(&leaf))).collect();
        let mut sources = named.into_iter().map(|(name, select)| Source::select(select, name));
        let from = sources.next();
        let joins = sources.map(|source| Join { kind: JoinKind::Cross, source, on: Vec::new() }).collect();
        Select { columns, from, joins, ..Select::default() }
    }

    /// Branches one below the other, merged by their group-bys. Grouping makes null keys meet, as a full
    /// outer join on `IS NOT DISTINCT FROM` would, for any number of branches and without a chain of joins.
    fn united(
        &self,
        named: Vec<(String, Select)>,
        groups: &[String],
        metrics: &[(String, Formula)],
    ) -> Select {
        let names: Vec<String> = named.iter().map(|(name, _)| name.clone()).collect();
        let arm = |n: usize| {
            let own = &names[n];
            let keys = groups.iter().map(|g| (g.clone(), Scalar::column(own.clone(), g.clone())));
            let values = self.leaves.iter().map(|leaf| {
                let value = match leaf.column_type {
                    _ if leaf.branch == n => Scalar::column(own.clone(), leaf.column.clone()),
                    Some(column_type) => Scalar::Null(column_type),
                    None => {
                        Scalar::NullLike { select: names[leaf.branch].clone(), column: leaf.column.clone() }
                    }
                };
                (leaf.column.clone(), value)
            });
            let from = Some(Source { rows: Rows::Named(own.clone()), alias: own.clone() });
            Select { columns: keys.chain(values).collect(), from, ..Select::default() }
        };
        let arms = (0..names.len()).map(arm).collect();
        let alias = "branches";
        // Each key stands in each branch once, so the largest value is the only one.
        let leaf = |n: usize| {
            let leaf = &self.leaves[n];
            Scalar::Max(Box::new(Scalar::column(alias, leaf.column.clone()))).or_else(leaf.fill)
        };
        let keys = groups.iter().map(|g| (g.clone(), Scalar::column(alias, g.clone())));
        let values = metrics.iter().map(|(name, formula)| (name.clone(), formula.value(&leaf)));
        Select {
            named,
            columns: keys.chain(values).collect(),
            from: Some(Source { rows: Rows::Union(arms), alias: alias.to_owned() }),
            group_by: groups.len(),
            ..Select::default()
        }
    }
}

pub(super) fn aggregate(leaf: &Leaf, of: Scalar) -> Scalar {
    Scalar::Aggregate(Aggregate {
        metric: leaf.metric.clone(),
        agg: leaf.agg,
        of: Box::new(of),
        column_type: leaf.column_type,
    })
}

/// Whether a group-by is a date part of the question's time.
pub(super) fn is_time_part(reference: &Reference) -> bool {
    reference.is_time() && matches!(reference.take, Take::Part(_))
}
