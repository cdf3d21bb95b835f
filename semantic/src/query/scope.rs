//! The rows one branch reads, growing as references are turned into values.

use std::sync::Arc;

use model::ColumnType;
use sqlparser::ast;

use super::{
    graph::{Hop, Item, Target, base_grain, validity},
    plan::{Comparison, Join, JoinKind, Rows, Scalar, Select, Source},
    resolve::{NameFault, Reference, Seat, Take, What},
    time,
};
use crate::{Catalog, Relation, sql};

/// The rows one branch reads.
pub(super) struct Scope<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) seat: Seat,
    /// Name of the model's rows.
    alias: String,
    /// The point of time rows are seen from, where it is not their own.
    seen_from: Option<Scalar>,
    from: Option<Source>,
    joins: Vec<(Option<JoinKey>, Join)>,
    full: bool,
}

#[derive(Debug, PartialEq)]
enum JoinKey {
    /// The hops, and the one that goes on from there.
    Hops(Vec<Hop>, Option<Hop>),
    /// The entity of a model, in the rows of this name, matched through its identifier.
    Identity(String),
    /// The audience, for the profile that this value is.
    Audience(String, Scalar),
    /// The spine that declares a custom grain, at this time.
    Custom(usize, Scalar),
    /// A metric by an entity.
    Metric(String, String),
}

impl<'a> Scope<'a> {
    /// The rows of a model.
    pub(super) fn of_model(catalog: &'a Catalog, seat: Seat, model: usize) -> Self {
        let alias = catalog.semantic_models[model].name.clone();
        let from = Some(Source { rows: rows_of(catalog, model), alias: alias.clone() });
        Self { catalog, seat, alias, seen_from: None, from, joins: Vec::new(), full: false }
    }

    /// Points of time, and nothing else yet.
    pub(super) fn of_points(catalog: &'a Catalog, seat: Seat, points: Source, point: Scalar) -> Self {
        let alias = points.alias.clone();
        let seen_from = Some(point);
        Self { catalog, seat, alias, seen_from, from: Some(points), joins: Vec::new(), full: false }
    }

    /// Joins keep the rows of both sides from here on (Q16).
    pub(super) fn keep_both_sides(mut self) -> Self {
        self.full = true;
        self
    }

    /// Rows are seen from a point of time from here on; `on` says which rows from which point.
    pub(super) fn see_from(&mut self, points: Source, between: Vec<Join>, point: Scalar, on: Vec<Scalar>) {
        let rows = self.from.replace(points);
        let rows = rows.map(|source| Join { kind: JoinKind::Inner, source, on });
        self.joins.splice(0..0, between.into_iter().chain(rows).map(|join| (None, join)));
        self.seen_from = Some(point);
    }

    /// Meets every row with every row of other rows.
    pub(super) fn cross(&mut self, source: Source, point: Scalar) {
        self.joins.push((None, Join { kind: JoinKind::Cross, source, on: Vec::new() }));
        self.seen_from = Some(point);
    }

    pub(super) fn into_select(self, columns: Vec<(String, Scalar)>, filters: Vec<Scalar>) -> Select {
        let joins = self.joins.into_iter().map(|(_, join)| join).collect();
        Select { columns, from: self.from, joins, filters, ..Select::default() }
    }

    /// A name no rows have yet.
    pub(super) fn unique(&self, wanted: &str) -> String {
        let taken = |name: &str| {
            self.from.as_ref().is_some_and(|f| f.alias == name)
                || self.joins.iter().any(|(_, j)| j.source.alias == name)
        };
        let mut alias = wanted.to_owned();
        let mut n = 2;
        while taken(&alias) {
            alias = format!("{wanted}_{n}");
            n += 1;
        }
        alias
    }

    /// The model's own time as it is stored.
    pub(super) fn own_time(&self) -> Option<Scalar> {
        let (model, own) = (self.seat.model?, self.seat.own?);
        Some(Scalar::Sql(
            self.catalog.graph.dimension(&self.catalog.semantic_models, model, own),
            self.alias.clone(),
        ))
    }

    /// The time questions mean: the point rows are seen from, else their own.
    pub(super) fn time(&self) -> Option<Scalar> {
        match &self.seen_from {
            Some(point) => Some(point.clone()),
            None => self.own_time(),
        }
    }

    /// A time dimension of the model, cut to its grain.
    pub(super) fn dimension_time(&self, model: usize, dimension: usize) -> Scalar {
        let raw = self.dimension(model, dimension, &self.alias);
        match base_grain(&self.catalog.semantic_models[model], dimension) {
            Some(grain) => raw.trunc(grain),
            None => raw,
        }
    }

    /// A measure's expression; `profile` in it means the entity, matched if need be.
    pub(super) fn measure(&mut self, expr: &Arc<ast::Expr>) -> Scalar {
        let Some(model) = self.seat.model else { return Scalar::Sql(Arc::clone(expr), self.alias.clone()) };
        let entities = &self.catalog.semantic_models[model].entities;
        let entity = entities.iter().position(|e| e.name == "profile");
        match entity {
            Some(e) if sql::columns(expr).contains("profile") => {
                let alias = self.alias.clone();
                let profile = self.entity((model, e), &alias);
                let mut tree = (**expr).clone();
                let mut holes = Vec::new();
                sql::replace(&mut tree, &mut |name| {
                    holes.push(if name == "profile" {
                        profile.clone()
                    } else {
                        Scalar::column(alias.clone(), name)
                    });
                    Some(sql::bare(&super::plan::mark(holes.len() - 1)))
                });
                Scalar::Template(Arc::new(tree), holes)
            }
            _ => Scalar::Sql(Arc::clone(expr), self.alias.clone()),
        }
    }

    /// A reference's value, joining what it needs.
    pub(super) fn value(&mut self, reference: &Reference) -> Result<Scalar, NameFault> {
        let raw = match &reference.what {
            What::Time => self.time().unwrap_or(Scalar::Null(ColumnType::Timestamp)),
            What::Item(item) => self.item(item),
            What::Member(audience, path) => return self.member(audience, path),
            What::Audience(path) => {
                let profile = self.seat.profile(self.catalog, path)?;
                let profile = self.item(&profile);
                let key = JoinKey::Audience(String::new(), profile.clone());
                let alias = self.join(key, "audience", |alias| {
                    let on = vec![profile.equals(Scalar::column(alias, "profile_id"))];
                    (Rows::Table(Relation::table("audiences", "members")), on)
                });
                return Ok(Scalar::column(alias, "audience"));
            }
            // The planner turns these into values itself.
            What::Computed(_) => Scalar::Null(ColumnType::String),
        };
        Ok(self.taken(raw, reference.take))
    }

    fn taken(&mut self, raw: Scalar, take: Take) -> Scalar {
        match take {
            Take::Value => raw,
            Take::Grain(grain) => raw.trunc(grain),
            Take::Part(part) => Scalar::Part(part, Box::new(raw)),
            Take::Custom(spine, n) => {
                let of = &self.catalog.time_spines[spine];
                let at = raw.trunc(of.grain);
                let key = JoinKey::Custom(spine, at.clone());
                let alias = self.join_kind(key, "calendar", JoinKind::Left, |alias| {
                    let (rows, point) = time::points(of, alias);
                    (rows, vec![at.equals(point)])
                });
                Scalar::column(alias, of.custom_grains[n].column.clone())
            }
        }
    }

    /// An item's value, joining what it needs.
    pub(super) fn item(&mut self, item: &Item) -> Scalar {
        let alias = self.reach(&item.hops, &item.path);
        match item.target {
            Target::Dimension(m, d) => self.dimension(m, d, &alias),
            Target::Entity(m, e) => self.entity((m, e), &alias),
        }
    }

    fn dimension(&self, m: usize, d: usize, alias: &str) -> Scalar {
        Scalar::Sql(self.catalog.graph.dimension(&self.catalog.semantic_models, m, d), alias.to_owned())
    }

    /// An entity's value in the rows of a name.
    fn entity(&mut self, (m, e): (usize, usize), alias: &str) -> Scalar {
        let catalog = self.catalog;
        let entity = &catalog.semantic_models[m].entities[e];
        let raw = Scalar::Sql(catalog.graph.entity(&catalog.semantic_models, m, e), alias.to_owned());
        let Some(identifier) = &entity.identifier else { return raw };
        let trimmed = Scalar::Trim(Box::new(raw));
        let folds = catalog.graph.folds(identifier);
        let value = if folds { Scalar::Lower(Box::new(trimmed)) } else { trimmed };
        let wanted = format!("{}_{identifier}", entity.name);
        let joined = self.join(JoinKey::Identity(alias.to_owned()), &wanted, |alias| {
            let on = vec![
                Scalar::column(alias, "type").equals(Scalar::Text(identifier.clone())),
                Scalar::column(alias, "value").equals(value),
            ];
            (Rows::Table(Relation::table("profiles", "identifiers")), on)
        });
        Scalar::column(joined, "profile_id")
    }

    /// The name of the rows at the end of a path, joined if they are not yet.
    fn reach(&mut self, hops: &[Hop], path: &[String]) -> String {
        self.reach_towards(hops, path, None)
    }

    /// As [`Self::reach`], on the way to a further model. Each further model has a way of its own, as it
    /// has in MetricFlow: rows differ only where a key is not one, and there the answers must be equal.
    fn reach_towards(&mut self, hops: &[Hop], path: &[String], next: Option<Hop>) -> String {
        let Some((last, before)) = hops.split_last() else { return self.alias.clone() };
        let left_alias = self.reach_towards(before, &path[..path.len().saturating_sub(1)], Some(*last));
        if let Some(alias) = self.joined(hops, next) {
            return alias;
        }
        let left = self.entity(last.from, &left_alias);
        let catalog = self.catalog;
        let own_time = self.own_time().zip(self.seat.base).map(|(time, base)| time.trunc(base));
        let kind = if self.full { JoinKind::Full } else { JoinKind::Left };
        let base = self.seat.model.filter(|_| !before.is_empty()).map(|m| (m, self.alias.clone()));
        self.join_kind(JoinKey::Hops(hops.to_vec(), next), &path.join("__"), kind, |alias| {
            let (m, e) = last.to;
            let right = Scalar::Sql(catalog.graph.entity(&catalog.semantic_models, m, e), alias.to_owned());
            let mut on = vec![left.equals(right)];
            partitions(catalog, (last.from.0, &left_alias), (m, alias), &mut on);
            if let Some((model, rows)) = &base {
                partitions(catalog, (*model, rows), (m, alias), &mut on);
            }
            valid_at(catalog, (m, alias), own_time, &mut on);
            (rows_of(catalog, m), on)
        })
    }

    /// Rows joined over the same hops, unless they are on the way to another model.
    fn joined(&mut self, hops: &[Hop], next: Option<Hop>) -> Option<String> {
        for (key, join) in &mut self.joins {
            let Some(JoinKey::Hops(known, towards)) = key else { continue };
            if known == hops && (next.is_none() || towards.is_none() || *towards == next) {
                *towards = towards.or(next);
                return Some(join.source.alias.clone());
            }
        }
        None
    }

    fn join(&mut self, key: JoinKey, wanted: &str, make: impl FnOnce(&str) -> (Rows, Vec<Scalar>)) -> String {
        self.join_kind(key, wanted, JoinKind::Left, make)
    }

    fn join_kind(
        &mut self,
        key: JoinKey,
        wanted: &str,
        kind: JoinKind,
        make: impl FnOnce(&str) -> (Rows, Vec<Scalar>),
    ) -> String {
        let known = self.joins.iter().find(|(k, _)| k.as_ref() == Some(&key));
        if let Some((_, join)) = known {
            return join.source.alias.clone();
        }
        let alias = self.unique(wanted);
        let (rows, on) = make(&alias);
        let join = Join { kind, source: Source { rows, alias: alias.clone() }, on };
        self.joins.push((Some(key), join));
        alias
    }

    /// Whether the row's profile is a member, as a semi-join.
    pub(super) fn in_audience(&mut self, audience: &str) -> Result<Scalar, NameFault> {
        let item = self.seat.audience(self.catalog, audience, &[])?;
        let profile = self.item(&item);
        let members = Select {
            columns: vec![("profile_id".to_owned(), Scalar::column(audience, "profile_id"))],
            from: Some(Source::table("audiences", audience, audience)),
            ..Select::default()
        };
        Ok(Scalar::In(Box::new(profile), Box::new(members)))
    }

    /// Whether the row's profile is a member; false for rows without a profile.
    pub(super) fn member(&mut self, audience: &str, path: &[String]) -> Result<Scalar, NameFault> {
        let item = self.seat.audience(self.catalog, audience, path)?;
        let profile = self.item(&item);
        let key = JoinKey::Audience(audience.to_owned(), profile.clone());
        let alias = self.join(key, &format!("in_{audience}"), |alias| {
            let on = vec![profile.equals(Scalar::column(alias, "profile_id"))];
            (Rows::Table(Relation::table("audiences", audience)), on)
        });
        Ok(Scalar::IsNotNull(Box::new(Scalar::column(alias, "profile_id"))))
    }

    /// A metric's value for the row's value of a group-by (Q3.2); `select` has both columns.
    pub(super) fn metric(
        &mut self,
        metric: &str,
        by: &Reference,
        select: Select,
    ) -> Result<Scalar, NameFault> {
        let left = self.value(by)?;
        let [(key_column, _), (value_column, _)] = select.columns.as_slice() else {
            return Err(NameFault { message: format!("'{metric}' has no single value"), suggestion: None });
        };
        let (key_column, value_column) = (key_column.clone(), value_column.clone());
        let key = JoinKey::Metric(metric.to_owned(), by.column.clone());
        let kind = if self.full { JoinKind::Full } else { JoinKind::Left };
        let alias = self.join_kind(key, &format!("{metric}_by_{}", by.column), kind, |alias| {
            (Rows::Select(Box::new(select)), vec![left.equals(Scalar::column(alias, key_column))])
        });
        Ok(Scalar::column(alias, value_column))
    }
}

/// Q2.2: partitions of one name on both sides are equal.
fn partitions(catalog: &Catalog, left: (usize, &str), right: (usize, &str), on: &mut Vec<Scalar>) {
    let models = &catalog.semantic_models;
    for (l, one) in models[left.0].dimensions.iter().enumerate().filter(|(_, d)| d.is_partition) {
        let other = models[right.0].dimensions.iter().position(|d| d.is_partition && d.name == one.name);
        let Some(r) = other else { continue };
        let cut = |m: usize, d: usize, alias: &str| {
            let raw = Scalar::Sql(catalog.graph.dimension(models, m, d), alias.to_owned());
            match base_grain(&models[m], d) {
                Some(grain) => raw.trunc(grain),
                None => raw,
            }
        };
        on.push(cut(left.0, l, left.1).equals(cut(right.0, r, right.1)));
    }
}

/// Q2.1: the row that was valid at the metric's own time.
fn valid_at(catalog: &Catalog, (m, alias): (usize, &str), time: Option<Scalar>, on: &mut Vec<Scalar>) {
    let models = &catalog.semantic_models;
    let (Some((start, end)), Some(time)) = (validity(&models[m]), time) else { return };
    let bound = |d| Scalar::Sql(catalog.graph.dimension(models, m, d), alias.to_owned());
    on.push(time.clone().compare(Comparison::GreaterOrEqual, bound(start)));
    let before_end = time.compare(Comparison::Less, bound(end));
    on.push(Scalar::Or(vec![before_end, Scalar::IsNull(Box::new(bound(end)))]));
}

/// Where a model's rows are read: event tables through the view that knows each row's profile.
pub(super) fn rows_of(catalog: &Catalog, model: usize) -> Rows {
    let relation = &catalog.semantic_models[model].relation;
    let Relation::Table { schema, name, .. } = relation else {
        return match catalog.graph.query(&catalog.semantic_models, model) {
            Some(query) => Rows::Query(query),
            None => Rows::Table(relation.clone()),
        };
    };
    let planned = |table: &str| catalog.tracking_plan.events.iter().any(|event| event.table == table);
    Rows::Table(match (schema.as_str(), name.as_str()) {
        ("warehouse", "profiles") => Relation::table("profiles", "profiles"),
        ("warehouse", "events") => Relation::table("events", "all"),
        ("warehouse", table) if planned(table) => Relation::table("events", table),
        _ => relation.clone(),
    })
}
