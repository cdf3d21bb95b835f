//! Branches that look across time: offsets, cumulative and semi-additive metrics, conversions, spines.

use super::{
    filter,
    graph::Item,
    leaves::{Branch, BranchKind, Conversion, Leaf, Shift},
    plan::{Comparison, Join, JoinKind, POINT, Scalar, Select, Source, WindowFunction},
    planner::{Built, Planner, aggregate, is_time_part},
    resolve::{Reference, Seat, Take},
    scope::Scope,
    time,
};
use crate::{CumulativeScope, Grain, NonAdditive, PeriodAggregation, TimeGrain, WindowChoice};

impl<'a> Planner<'a> {
    fn needs_spine<T>(&mut self, found: Option<T>) -> Option<T> {
        if found.is_none() {
            let message =
                "this question needs a time spine: declare time_spine: {grain: day, from: .., to: ..}";
            self.fault("no_time_spine", message, None);
        }
        found
    }

    /// Lets rows be seen from points of a spine: moved back (Q11), or all up to a point (Q10). Gives
    /// conditions on the points.
    pub(super) fn see_from_afar(
        &mut self,
        scope: &mut Scope<'a>,
        branch: &Branch,
        adds_up: Option<&CumulativeScope>,
        refs: &[Reference],
    ) -> Option<Vec<Scalar>> {
        let catalog = self.catalog;
        let base = branch.seat.base.unwrap_or(Grain::Day);
        let to_grain = branch.shifts.iter().any(|s| matches!(s, Shift::ToGrain(_)));
        if (to_grain || adds_up.is_some()) && refs.iter().any(is_time_part) {
            let name = self.leaves.iter().find(|l| self.branches.get(l.branch) == Some(branch));
            let name = name.map(|l| l.metric.clone()).unwrap_or_default();
            let message = format!("'{name}' over time has no value for a date part; group by metric_time");
            self.fault("bad_grain", message, None);
            return None;
        }
        let grain = if adds_up.is_some() { base } else { self.offset_grain(branch, base, refs) };
        let spine = self.needs_spine(time::spine(catalog, grain))?;
        let grain = grain.max(spine.grain);
        let alias = scope.unique("time_spine");
        let (points, point) = time::points_at(spine, grain, &alias);
        let own = scope.own_time()?.trunc(grain);
        let mut seen = point.clone();
        let mut between = Vec::new();
        for (n, shift) in branch.shifts.iter().rev().enumerate() {
            match shift {
                Shift::Back(count, unit) => seen = Scalar::Shift(Box::new(seen), -i64::from(*count), *unit),
                Shift::ToGrain(unit) => seen = seen.trunc(*unit),
                Shift::BackCustom { spine, number, count } => {
                    let of = &catalog.time_spines[*spine];
                    let name = if n == 0 { "moved".to_owned() } else { format!("moved_{}", n + 1) };
                    let source = Source::select(time::custom_offset(of, *number, *count), &name);
                    let on = vec![Scalar::column(&name, POINT).equals(seen.trunc(of.grain))];
                    between.push(Join { kind: JoinKind::Inner, source, on });
                    seen = Scalar::column(name, time::EARLIER);
                }
            }
        }
        let on = match adds_up {
            None => vec![own.equals(seen)],
            Some(CumulativeScope::AllTime) => vec![own.compare(Comparison::LessOrEqual, seen)],
            Some(CumulativeScope::GrainToDate(unit)) => {
                let from = own.clone().compare(Comparison::GreaterOrEqual, seen.clone().trunc(*unit));
                vec![own.compare(Comparison::LessOrEqual, seen), from]
            }
            Some(CumulativeScope::Window(window)) => {
                let TimeGrain::Standard(unit) = window.grain else {
                    self.fault("bad_grain", "a cumulative window needs a standard grain", None);
                    return None;
                };
                let from = Scalar::Shift(Box::new(seen.clone()), -i64::from(window.count), unit);
                let above = own.clone().compare(Comparison::Greater, from);
                vec![own.compare(Comparison::LessOrEqual, seen), above]
            }
        };
        scope.see_from(points, between, point.clone(), on);
        Some(if to_grain { first_points(&point, grain, refs) } else { Vec::new() })
    }

    /// Q11.3: the grain rows and points meet at.
    fn offset_grain(&self, branch: &Branch, base: Grain, refs: &[Reference]) -> Grain {
        let timed = || refs.iter().filter(|r| r.is_time());
        let custom = timed().any(|r| matches!(r.take, Take::Custom(..)));
        let Some(asked) = timed().filter_map(Reference::needs).min().filter(|_| !custom) else { return base };
        // Filters on finer time look at points of that grain.
        let finer = self.filters.iter().chain(&branch.filters).flat_map(|condition| {
            filter::references(self.catalog, &branch.seat, condition).unwrap_or_default()
        });
        let asked = finer.filter_map(|r| r.needs()).chain([asked]).min().unwrap_or(asked);
        let fits = branch.shifts.iter().all(|shift| match shift {
            Shift::Back(_, unit) => asked <= *unit,
            Shift::ToGrain(unit) => asked <= *unit && asked != Grain::Week,
            Shift::BackCustom { .. } => false,
        });
        if fits { asked.max(base) } else { base }
    }

    /// Q10: the rows up to each point, aggregated anew for each.
    pub(super) fn cumulative(
        &mut self,
        branch: &Branch,
        (adds_up, period): (&CumulativeScope, PeriodAggregation),
        leaves: &[Leaf],
        refs: &[Reference],
    ) -> Option<Built> {
        let mut scope = Scope::of_model(self.catalog, branch.seat, branch.model);
        let timed = refs.iter().any(Reference::is_time);
        let before = self.range;
        let mut filters = Vec::new();
        if timed {
            filters = self.see_from_afar(&mut scope, branch, Some(adds_up), refs)?;
        } else if let Some(range) = &mut self.range {
            // A total without time is the one at the end of the range.
            range.from = None;
        }
        let mut columns = self.keys(&mut scope, branch, refs)?;
        let conditions = self.conditions_of(&mut scope, branch, &columns);
        self.range = before;
        filters.extend(conditions?);
        let base = branch.seat.base.unwrap_or(Grain::Day);
        let exact = refs.iter().any(|r| r.is_time() && r.take == Take::Grain(base));
        let coarse = timed && !exact;
        let point = self.free_column(refs, POINT);
        if coarse {
            columns.push((point.clone(), scope.time()?));
        }
        let group_by = columns.len();
        for leaf in leaves {
            let of = self.leaf_value(&mut scope, leaf)?;
            columns.push((leaf.column.clone(), aggregate(leaf, of)));
        }
        let select = Select { group_by, ..scope.into_select(columns, filters) };
        if !coarse {
            return Some(Built { select, plain: true });
        }
        Some(Built { select: per_period(select, period, (refs, &point), leaves), plain: false })
    }

    fn free_column(&self, refs: &[Reference], wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while refs.iter().any(|r| r.column == name) || self.leaves.iter().any(|l| l.column == name) {
            name.push('_');
        }
        name
    }

    /// Q12: the rows of the first or last time, per grouping.
    pub(super) fn semi_additive(
        &mut self,
        branch: &Branch,
        rule: &NonAdditive,
        leaves: &[Leaf],
        refs: &[Reference],
    ) -> Option<Built> {
        let mut scope = Scope::of_model(self.catalog, branch.seat, branch.model);
        let mut filters = if branch.shifts.is_empty() {
            Vec::new()
        } else {
            self.see_from_afar(&mut scope, branch, None, refs)?
        };
        let mut columns = self.keys(&mut scope, branch, refs)?;
        filters.extend(self.conditions_of(&mut scope, branch, &columns)?);
        let model = &self.catalog.semantic_models[branch.model];
        let dimension = model.dimensions.iter().position(|d| d.name == rule.dimension)?;
        let at = scope.dimension_time(branch.model, dimension);
        let own = branch.seat.own == Some(dimension);
        let same = |r: &Reference| match &r.what {
            super::resolve::What::Time => own,
            super::resolve::What::Item(item) => {
                item.hops.is_empty()
                    && item.target == super::graph::Target::Dimension(branch.model, dimension)
            }
            _ => false,
        };
        let mut partition: Vec<Scalar> =
            refs.iter().zip(&columns).filter(|(r, _)| same(r)).map(|(_, (_, value))| value.clone()).collect();
        for grouping in &rule.window_groupings {
            let value = self.element(&mut scope, branch.model, grouping)?;
            filters.push(Scalar::IsNotNull(Box::new(value.clone())));
            partition.push(value);
        }
        let kept = self.free_column(refs, "kept_at");
        let row = self.free_column(refs, "row_at");
        let function = match rule.window_choice {
            WindowChoice::Min => WindowFunction::Min(at.clone()),
            WindowChoice::Max => WindowFunction::Max(at.clone()),
        };
        for leaf in leaves {
            let of = self.leaf_value(&mut scope, leaf)?;
            columns.push((leaf.column.clone(), of));
        }
        columns.push((row.clone(), at));
        columns.push((kept.clone(), Scalar::window(function, partition, Vec::new())));
        let rows = scope.into_select(columns, filters);
        let alias = "kept";
        let keys = refs.iter().map(|r| (r.column.clone(), Scalar::column(alias, r.column.clone())));
        let values = leaves
            .iter()
            .map(|leaf| (leaf.column.clone(), aggregate(leaf, Scalar::column(alias, leaf.column.clone()))));
        let select = Select {
            columns: keys.chain(values).collect(),
            from: Some(Source::select(rows, alias)),
            filters: vec![Scalar::column(alias, row).equals(Scalar::column(alias, kept))],
            group_by: refs.len(),
            ..Select::default()
        };
        Some(Built { select, plain: true })
    }

    /// An entity or dimension of a model by its bare name.
    fn element(&mut self, scope: &mut Scope<'a>, model: usize, name: &str) -> Option<Scalar> {
        let of = &self.catalog.semantic_models[model];
        let entity = of.entities.iter().position(|e| e.name == name);
        let target = match entity {
            Some(e) => super::graph::Target::Entity(model, e),
            None => {
                let Some(d) = of.dimensions.iter().position(|d| d.name == name) else {
                    let message =
                        format!("'{name}' is neither an entity nor a dimension of model '{}'", of.name);
                    self.fault("bad_metric", message, None);
                    return None;
                };
                super::graph::Target::Dimension(model, d)
            }
        };
        Some(scope.item(&Item { path: Vec::new(), name: name.to_owned(), hops: Vec::new(), target }))
    }

    /// Q13: what the rows of a branch led to, credited to the latest of them.
    pub(super) fn led_to(
        &mut self,
        branch: &Branch,
        other: &Conversion,
        leaves: &[Leaf],
        refs: &[Reference],
    ) -> Option<Built> {
        let (before, after) = ("opportunity", "conversion");
        let name = |n: usize| format!("equal_{}", n + 1);
        let mut base = Scope::of_model(self.catalog, branch.seat, branch.model);
        let mut base_columns = self.keys(&mut base, branch, refs)?;
        let base_filters = self.conditions_of(&mut base, branch, &base_columns)?;
        base_columns.push(("happened_at".to_owned(), self.base_time(&base, branch.seat)?));
        let mut led = Scope::of_model(self.catalog, other.seat, other.model);
        let mut led_columns = vec![
            ("number".to_owned(), Scalar::window(WindowFunction::RowNumber, Vec::new(), Vec::new())),
            ("happened_at".to_owned(), self.base_time(&led, other.seat)?),
        ];
        let mut on = Vec::new();
        for (n, (left, right)) in other.equal.iter().enumerate() {
            base_columns.push((name(n), self.element(&mut base, branch.model, left)?));
            led_columns.push((name(n), self.element(&mut led, other.model, right)?));
            on.push(Scalar::column(before, name(n)).equals(Scalar::column(after, name(n))));
        }
        let mut led_filters = Vec::new();
        for condition in &other.filters {
            led_filters.push(self.condition(&mut led, condition, &[])?);
        }
        for leaf in leaves {
            let of = self.leaf_value(&mut led, leaf)?;
            led_columns.push((leaf.column.clone(), of));
        }
        let at = |alias: &str| Scalar::column(alias, "happened_at");
        on.push(at(before).compare(Comparison::LessOrEqual, at(after)));
        if let Some(window) = &other.window {
            let TimeGrain::Standard(unit) = window.grain else {
                self.fault(
                    "bad_grain",
                    format!("'{}': its window needs a standard grain", other.metric),
                    None,
                );
                return None;
            };
            let from = Scalar::Shift(Box::new(at(after)), -i64::from(window.count), unit);
            on.push(at(before).compare(Comparison::Greater, from));
        }
        let keys = |alias: &'static str| {
            refs.iter().map(move |r| (r.column.clone(), Scalar::column(alias, r.column.clone())))
        };
        let values = |alias: &'static str| {
            leaves.iter().map(move |l| (l.column.clone(), Scalar::column(alias, l.column.clone())))
        };
        // Of rows at one time any is right; their group-bys make the choice the same every time.
        let order =
            std::iter::once((at(before), true)).chain(keys(before).map(|(_, k)| (k, false))).collect();
        let rank = Scalar::window(WindowFunction::RowNumber, vec![Scalar::column(after, "number")], order);
        let pairs = Select {
            columns: keys(before).chain(values(after)).chain([("latest".to_owned(), rank)]).collect(),
            from: Some(Source::select(base.into_select(base_columns, base_filters), before)),
            joins: vec![Join {
                kind: JoinKind::Inner,
                source: Source::select(led.into_select(led_columns, led_filters), after),
                on,
            }],
            ..Select::default()
        };
        let credited = "credited";
        let aggregates = leaves.iter().map(|leaf| {
            (leaf.column.clone(), aggregate(leaf, Scalar::column(credited, leaf.column.clone())))
        });
        let select = Select {
            columns: keys(credited).chain(aggregates).collect(),
            from: Some(Source::select(pairs, credited)),
            filters: vec![Scalar::column(credited, "latest").equals(Scalar::Int(1))],
            group_by: refs.len(),
            ..Select::default()
        };
        Some(Built { select, plain: true })
    }

    fn base_time(&mut self, scope: &Scope<'a>, seat: Seat) -> Option<Scalar> {
        let found = scope.own_time().zip(seat.base).map(|(own, base)| own.trunc(base));
        if found.is_none() {
            self.fault("bad_metric", "a side of a conversion has no time", None);
        }
        found
    }

    /// Q8.3: a row for every point of the spine.
    pub(super) fn every_point(
        &mut self,
        branch: &Branch,
        inner: Select,
        leaves: &[Leaf],
        refs: &[Reference],
    ) -> Option<Built> {
        let custom = refs.iter().filter_map(|r| match r.take {
            Take::Custom(spine, _) if r.is_time() => Some(self.catalog.time_spines[spine].grain),
            _ => None,
        });
        let needed = refs.iter().filter_map(Reference::needs).chain(custom).min().unwrap_or(Grain::Day);
        let spine = self.needs_spine(time::spine(self.catalog, needed))?;
        let (source, point) = time::points_at(spine, spine.grain, "time_spine");
        let mut points = Scope::of_points(
            self.catalog,
            Seat { model: None, own: None, base: branch.seat.base },
            source,
            point,
        );
        let times: Vec<Reference> = refs.iter().filter(|r| r.is_time()).cloned().collect();
        let columns = self.keys(&mut points, branch, &times)?;
        let all: Vec<_> = branch.filters.iter().chain(&self.filters).cloned().collect();
        let (pure, mixed): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|c| filter::is_pure_time(self.catalog, &branch.seat, c));
        // Names of the model's own time are times here too.
        let mut filters = Vec::new();
        points.seat = Seat { model: branch.seat.model, ..branch.seat };
        for condition in &pure {
            filters.push(self.condition(&mut points, condition, &[])?);
        }
        if let (Some(range), Some(time)) = (self.range, points.time()) {
            filters.extend(time::within(&time, range));
        }
        let spine_rows = Select { distinct: true, ..points.into_select(columns, filters) };
        let (left, right) = ("time_spine", "found");
        let on = times
            .iter()
            .map(|r| Scalar::column(left, r.column.clone()).equals(Scalar::column(right, r.column.clone())));
        let on = on.collect();
        let shown = |r: &Reference| Scalar::column(if r.is_time() { left } else { right }, r.column.clone());
        let keys = refs.iter().map(|r| (r.column.clone(), shown(r)));
        let values = leaves.iter().map(|l| (l.column.clone(), Scalar::column(right, l.column.clone())));
        let mut again = Vec::new();
        for condition in mixed.iter().filter(|c| c.owner.is_none()) {
            again.extend(self.again(branch, condition, refs, &shown));
        }
        let select = Select {
            columns: keys.chain(values).collect(),
            from: Some(Source::select(spine_rows, left)),
            joins: vec![Join { kind: JoinKind::Left, source: Source::select(inner, right), on }],
            filters: again,
            ..Select::default()
        };
        let alone = matches!(
            branch.kind,
            BranchKind::Plain | BranchKind::SemiAdditive(_) | BranchKind::Cumulative(..)
        );
        Some(Built { select, plain: alone })
    }

    /// A filter over the output columns, if all it looks at is grouped by.
    fn again(
        &self,
        branch: &Branch,
        condition: &super::leaves::Condition,
        refs: &[Reference],
        shown: &dyn Fn(&Reference) -> Scalar,
    ) -> Option<Scalar> {
        let named = filter::references(self.catalog, &branch.seat, condition)?;
        let holes: Option<Vec<Scalar>> = named
            .iter()
            .map(|r| refs.iter().find(|g| g.what == r.what && g.take == r.take).map(shown))
            .collect();
        let template = self.catalog.graph.template(&condition.text);
        let body = template.body.as_ref().ok()?;
        Some(Scalar::Template(std::sync::Arc::clone(&body.expr), holes?))
    }
}

/// Q11.2: asked coarser than the points, only those count that start a period.
fn first_points(point: &Scalar, grain: Grain, refs: &[Reference]) -> Vec<Scalar> {
    let asked: Vec<Grain> = refs
        .iter()
        .filter(|r| r.is_time())
        .filter_map(|r| if let Take::Grain(asked) = r.take { Some(asked) } else { None })
        .collect();
    if asked.is_empty() || asked.contains(&grain) {
        return Vec::new();
    }
    let starts = |asked: Grain| point.clone().trunc(asked).equals(point.clone());
    vec![Scalar::Or(asked.into_iter().map(starts).collect())]
}

/// Q10.4: one value per period.
fn per_period(
    inner: Select,
    period: PeriodAggregation,
    (refs, point): (&[Reference], &str),
    leaves: &[Leaf],
) -> Select {
    let alias = "per_point";
    let keys: Vec<(String, Scalar)> =
        refs.iter().map(|r| (r.column.clone(), Scalar::column(alias, r.column.clone()))).collect();
    let partition = || keys.iter().map(|(_, k)| k.clone()).collect::<Vec<_>>();
    let order = || vec![(Scalar::column(alias, point), false)];
    let value = |leaf: &Leaf| {
        let of = Scalar::column(alias, leaf.column.clone());
        match period {
            PeriodAggregation::First => Scalar::window(WindowFunction::First(of), partition(), order()),
            PeriodAggregation::Last => Scalar::window(WindowFunction::Last(of), partition(), order()),
            PeriodAggregation::Average => Scalar::Mean(Box::new(of)),
        }
    };
    let average = period == PeriodAggregation::Average;
    let values = leaves.iter().map(|leaf| (leaf.column.clone(), value(leaf)));
    Select {
        distinct: !average,
        columns: keys.iter().cloned().chain(values).collect(),
        from: Some(Source::select(inner, alias)),
        group_by: if average { refs.len() } else { 0 },
        ..Select::default()
    }
}
