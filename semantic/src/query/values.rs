use super::{
    compile::{AskedGroup, ColumnKind, OutputColumn},
    filter,
    graph::Target,
    leaves::{Branch, BranchKind},
    names::Asked,
    plan::{Scalar, Select, Source},
    planner::Planner,
    resolve::{NameFault, Reference, Seat, Take, What},
    scope::Scope,
    template::{Hole, Object},
    time,
};
use crate::{EntityType, Grain, MetricQuery, TimeGrain};

impl<'a> Planner<'a> {
    /// Distinct values of dimensions, without a metric (Q16).
    pub(super) fn values(
        &mut self,
        query: &MetricQuery,
        asked: &[AskedGroup],
    ) -> Option<(Select, Vec<OutputColumn>)> {
        let default = TimeGrain::Standard(Grain::Day);
        self.question_filters(&query.filters, &default);
        let names = self.named(asked);
        let others: Vec<&Asked> = names.iter().filter(|a| !a.is_metric_time()).collect();
        let timed = names.iter().any(Asked::is_metric_time) || query.time.is_some();
        let model = if others.is_empty() { None } else { Some(self.values_model(&others, &default)?) };
        let base = self.catalog.time_spines.iter().map(|s| s.grain).min();
        let seat = Seat { model, own: None, base: base.filter(|_| timed) };
        let mut refs = Vec::new();
        for one in asked {
            match one {
                AskedGroup::Computed { template, column } => refs.push(Reference {
                    what: What::Computed(template.clone()),
                    take: Take::Value,
                    column_type: None,
                    column: column.clone(),
                }),
                AskedGroup::Name(one) => match seat.resolve(self.catalog, one, &default) {
                    Ok(reference) => refs.push(reference),
                    Err(fault) => self.unknown(one, fault),
                },
            }
        }
        for (i, one) in refs.iter().enumerate() {
            if refs[..i].iter().any(|r| r.column == one.column) {
                self.fault("duplicate_group_by", format!("'{}' is asked for twice", one.column), None);
            }
        }
        self.range = self.range_of(query, &refs, &[]);
        let mut scope = self.values_scope(seat, model, timed, &refs)?;
        let branch = Branch {
            model: model.unwrap_or_default(),
            seat,
            filters: Vec::new(),
            shifts: Vec::new(),
            kind: BranchKind::Plain,
            every_point: false,
            needs_time: None,
        };
        let columns = self.keys(&mut scope, &branch, &refs)?;
        let filters = self.conditions_of(&mut scope, &branch, &columns)?;
        let select = Select { distinct: !query.keep_duplicates, ..scope.into_select(columns, filters) };
        let column = |name: String, r: &Reference| OutputColumn {
            name,
            kind: ColumnKind::Dimension,
            column_type: r.column_type,
        };
        if !query.min_max_only {
            return Some((select, refs.iter().map(|r| column(r.column.clone(), r)).collect()));
        }
        let one = refs.first()?;
        let of = || Box::new(Scalar::column("shown", one.column.clone()));
        let (least, most) = (format!("{}__min", one.column), format!("{}__max", one.column));
        let columns = vec![(least.clone(), Scalar::Min(of())), (most.clone(), Scalar::Max(of()))];
        let bounds = Select { columns, from: Some(Source::select(select, "shown")), ..Select::default() };
        Some((bounds, vec![column(least, one), column(most, one)]))
    }

    /// Every name that the question needs a value of.
    fn named(&mut self, asked: &[AskedGroup]) -> Vec<Asked> {
        let catalog = self.catalog;
        let custom = |grain: &str| catalog.graph.custom_grain(grain).is_some();
        let mut names: Vec<Asked> = Vec::new();
        let mut texts: Vec<&str> = Vec::new();
        for one in asked {
            match one {
                AskedGroup::Name(one) => names.push(one.clone()),
                AskedGroup::Computed { template, .. } => texts.push(template),
            }
        }
        for text in texts.into_iter().chain(self.filters.iter().map(|c| &*c.text)) {
            let template = catalog.graph.template(text);
            let Ok(body) = filter::body(&template) else { continue };
            for hole in &body.holes {
                let one = match hole {
                    Hole::Object(Object::Metric { group_by, .. }, _) => Asked::parse(group_by, &custom),
                    Hole::Object(Object::Audience(_), _) => Asked::parse("profile", &custom),
                    Hole::Object(object, _) => Asked::of_object(object, "", &custom),
                    Hole::Bare(_) => continue,
                };
                names.extend(one);
            }
        }
        names
    }

    fn values_scope(
        &mut self,
        seat: Seat,
        model: Option<usize>,
        timed: bool,
        refs: &[Reference],
    ) -> Option<Scope<'a>> {
        let catalog = self.catalog;
        let mut scope = model.map(|m| Scope::of_model(catalog, seat, m).keep_both_sides());
        if timed || model.is_none() {
            let needed = refs.iter().filter_map(Reference::needs).min().unwrap_or(Grain::Day);
            let Some(spine) = time::spine(catalog, needed) else {
                let message = "'metric_time' without a metric needs a time spine";
                self.fault("no_time_spine", message, None);
                return None;
            };
            let alias = scope.as_ref().map_or("time_spine".to_owned(), |s| s.unique("time_spine"));
            let (rows, point) = time::points(spine, &alias);
            let source = Source { rows, alias };
            match &mut scope {
                Some(scope) => scope.cross(source, point),
                None => return Some(Scope::of_points(catalog, seat, source, point)),
            }
        }
        scope
    }

    /// The model from which all values are reached with the fewest joins; of several the smallest, then
    /// the first by name, so that the order of files means nothing.
    fn values_model(&mut self, names: &[&Asked], default: &TimeGrain) -> Option<usize> {
        let catalog = self.catalog;
        let mut best: Option<(usize, usize, &str, usize)> = None;
        for m in 0..catalog.semantic_models.len() {
            let seat = Seat { model: Some(m), own: None, base: None };
            let costs: Option<Vec<usize>> =
                names.iter().map(|one| distance(catalog, &seat, one, default)).collect();
            let Some(costs) = costs else { continue };
            let model = &catalog.semantic_models[m];
            let size = model.dimensions.len() + model.entities.len();
            let one = (costs.iter().sum::<usize>(), size, model.name.as_str(), m);
            best = best.min(Some(one)).or(Some(one));
        }
        if best.is_none() {
            self.blame(names, default);
        }
        best.map(|(.., m)| m)
    }

    fn blame(&mut self, names: &[&Asked], default: &TimeGrain) {
        let before = self.faults.len();
        for one in names {
            let tries: Vec<Result<Reference, NameFault>> = (0..self.catalog.semantic_models.len())
                .map(|m| Seat { model: Some(m), own: None, base: None }.resolve(self.catalog, one, default))
                .collect();
            if tries.iter().any(Result::is_ok) {
                continue;
            }
            let all: Vec<NameFault> = tries.into_iter().filter_map(Result::err).collect();
            let told = all
                .iter()
                .find(|f| !f.message.is_empty())
                .or_else(|| all.iter().find(|f| f.suggestion.is_some()));
            let fault = told.or(all.first()).cloned();
            if let Some(fault) = fault {
                self.unknown(one, fault);
            }
        }
        if self.faults.len() == before {
            let names: Vec<String> = names.iter().map(|a| format!("'{}'", a.text)).collect();
            let message = format!(
                "{} are in no common path of joins; add a metric or ask for them one by one",
                names.join(" and ")
            );
            self.fault("unknown_group_by", message, None);
        }
    }

    fn unknown(&mut self, one: &Asked, fault: NameFault) {
        if fault.message.is_empty() {
            self.fault("unknown_group_by", format!("unknown dimension '{}'", one.joined()), fault.suggestion);
        } else {
            self.fault("bad_group_by", fault.message, fault.suggestion);
        }
    }
}

/// How far a name is from a model; a key is nearest where it is the model's own.
fn distance(catalog: &crate::Catalog, seat: &Seat, one: &Asked, default: &TimeGrain) -> Option<usize> {
    let reference = seat.resolve(catalog, one, default).ok()?;
    let item = match &reference.what {
        What::Item(item) => item.clone(),
        What::Member(audience, path) => seat.audience(catalog, audience, path).ok()?,
        What::Audience(path) => seat.profile(catalog, path).ok()?,
        What::Time | What::Computed(_) => return Some(0),
    };
    let foreign = matches!(item.target, Target::Entity(m, e)
        if catalog.semantic_models[m].entities[e].entity_type != EntityType::Primary);
    // A join into a validity window has no time to join at.
    let windows =
        item.hops.iter().any(|h| super::graph::validity(&catalog.semantic_models[h.to.0]).is_some());
    (!windows).then_some(item.hops.len() * 2 + usize::from(foreign))
}
