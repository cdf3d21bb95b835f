use sqlparser::ast::Expr;

use super::{
    graph::{Hop, Item, Missing, Target, base_grain},
    names::Asked,
    plan::{Join, Source},
};
use crate::{
    Catalog, Grain,
    sql::{self, datafusion},
};

/// What is wrong with one name or filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameFault {
    pub(crate) message: String,
    pub(crate) suggestion: Option<String>,
}

/// The tables one branch reads, growing as names are resolved.
pub(super) struct Scope<'a> {
    catalog: &'a Catalog,
    model: usize,
    /// The time dimension `metric_time` stands for, and the grain it has where none is asked for.
    time: Option<(usize, Grain)>,
    full: bool,
    alias: String,
    joins: Vec<(JoinKey, Join)>,
}

#[derive(Debug, PartialEq, Eq)]
enum JoinKey {
    Hops(Vec<Hop>),
    /// The entity of a model, in the table of this alias, matched through its identifier.
    Identity(String),
    /// The audience, for the profile that this expression gives.
    Audience(String, String),
}

/// A resolved group-by.
pub(super) struct Resolved {
    pub(super) expr: Expr,
    pub(super) name: String,
    pub(super) column_type: Option<model::ColumnType>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(catalog: &'a Catalog, model: usize, time: Option<(usize, Grain)>) -> Self {
        let alias = catalog.semantic_models[model].name.clone();
        Self { catalog, model, time, full: false, alias, joins: Vec::new() }
    }

    /// A scope whose joins keep the rows of both sides.
    pub(super) fn of_values(catalog: &'a Catalog, model: usize) -> Self {
        Self { full: true, ..Self::new(catalog, model, None) }
    }

    pub(super) fn into_source(self) -> Source {
        Source {
            table: physical(self.catalog, self.model),
            alias: self.alias,
            joins: self.joins.into_iter().map(|(_, join)| join).collect(),
        }
    }

    /// Sets the grain `metric_time` has where none is asked for.
    pub(super) fn set_default_grain(&mut self, grain: Grain) {
        self.time = self.time.map(|(dimension, _)| (dimension, grain));
    }

    /// A group-by: its expression and the name of its column (Q1.4).
    pub(super) fn group(&mut self, asked: &Asked) -> Result<Resolved, NameFault> {
        if let Some(audience) = asked.audience() {
            let expr = self.member(audience, &asked.path)?;
            let name = format!("profile__in_{audience}");
            return Ok(Resolved { expr, name, column_type: Some(model::ColumnType::Boolean) });
        }
        if asked.is_metric_time() {
            let (expr, grain) = self.metric_time(asked)?;
            let name = format!("metric_time__{grain}");
            return Ok(Resolved { expr, name, column_type: Some(model::ColumnType::Timestamp) });
        }
        let item = self.find(asked)?.clone();
        let grain = self.grain(&item, asked)?;
        let expr = self.value(&item);
        Ok(match grain {
            None => Resolved { expr, name: item.qualified(), column_type: self.column_type(&item) },
            Some(grain) => Resolved {
                expr: datafusion::date_trunc(grain, expr),
                name: format!("{}__{grain}", item.qualified()),
                column_type: Some(model::ColumnType::Timestamp),
            },
        })
    }

    /// The qualified name a group-by has here, without joining anything.
    fn find(&self, asked: &Asked) -> Result<&'a Item, NameFault> {
        let graph = &self.catalog.graph;
        graph.find(self.model, &asked.path, &asked.name).map_err(|missing| match missing {
            Missing::Ambiguous(all) => NameFault {
                message: format!("'{}' is ambiguous: {}; name the path", asked.text, all.join(", ")),
                suggestion: None,
            },
            Missing::Unknown => {
                NameFault { message: String::new(), suggestion: graph.closest(self.model, &joined(asked)) }
            }
        })
    }

    fn grain(&self, item: &Item, asked: &Asked) -> Result<Option<Grain>, NameFault> {
        let base = match item.target {
            Target::Dimension(m, d) => base_grain(&self.catalog.semantic_models[m], d),
            Target::Entity(..) => None,
        };
        match (base, asked.grain) {
            (Some(base), Some(grain)) if grain < base => Err(NameFault {
                message: format!("'{}' is finer than '{}' (grain {base})", asked.text, item.qualified()),
                suggestion: None,
            }),
            (None, Some(grain)) => Err(NameFault {
                message: format!("'{}' has no grain {grain}, it is not a time dimension", item.qualified()),
                suggestion: None,
            }),
            (base, grain) => Ok(base.map(|base| grain.unwrap_or(base))),
        }
    }

    fn column_type(&self, item: &Item) -> Option<model::ColumnType> {
        match item.target {
            Target::Dimension(m, d) => self.catalog.semantic_models[m].dimensions[d].column_type,
            Target::Entity(..) => None,
        }
    }

    /// `metric_time` at the asked grain.
    fn metric_time(&mut self, asked: &Asked) -> Result<(Expr, Grain), NameFault> {
        let Some((dimension, default)) = self.time else {
            let message = "'metric_time' needs a metric in this version".to_owned();
            return Err(NameFault { message, suggestion: None });
        };
        let base = base_grain(&self.catalog.semantic_models[self.model], dimension).unwrap_or(default);
        let grain = asked.grain.unwrap_or(default);
        if grain < base {
            let message = format!("'{}' is too fine (grain {base})", asked.text);
            return Err(NameFault { message, suggestion: None });
        }
        Ok((datafusion::date_trunc(grain, self.base_time(dimension)), grain))
    }

    /// The metric's own time at its base grain.
    pub(super) fn base_time(&self, dimension: usize) -> Expr {
        sql::qualify(&self.catalog.graph.nodes[self.model].dimensions[dimension], &self.alias)
    }

    /// An item's value, joining what it needs.
    fn value(&mut self, item: &Item) -> Expr {
        let alias = self.reach(&item.hops, &item.path);
        match item.target {
            Target::Dimension(m, d) => sql::qualify(&self.catalog.graph.nodes[m].dimensions[d], &alias),
            Target::Entity(m, e) => self.entity((m, e), &alias),
        }
    }

    /// A measure's expression. The word `profile` in it is the entity of that name.
    pub(super) fn measure(&mut self, measure: usize) -> Expr {
        let model = &self.catalog.semantic_models[self.model];
        let entity = model.entities.iter().position(|e| e.name == "profile");
        let mut expr = self.catalog.graph.nodes[self.model].measures[measure].clone();
        let alias = self.alias.clone();
        let whole = self.model;
        sql::replace(&mut expr, &mut |name| match (name, entity) {
            ("profile", Some(e)) => Some(self.entity((whole, e), &alias)),
            _ => Some(sql::column(&alias, name)),
        });
        expr
    }

    /// An entity's value in the table of an alias.
    fn entity(&mut self, (m, e): (usize, usize), alias: &str) -> Expr {
        let entity = &self.catalog.semantic_models[m].entities[e];
        let raw = sql::qualify(&self.catalog.graph.nodes[m].entities[e], alias);
        let Some(identifier) = &entity.identifier else { return raw };
        let key = JoinKey::Identity(alias.to_owned());
        let value = datafusion::identifier_value(raw, self.catalog.graph.folds(identifier));
        let wanted = format!("{}_{identifier}", entity.name);
        let joined = self.join(key, &wanted, ("profiles", "identifiers"), |alias| {
            vec![
                sql::equal(sql::column(alias, "type"), sql::text(identifier)),
                sql::equal(sql::column(alias, "value"), value),
            ]
        });
        sql::column(&joined, "profile_id")
    }

    /// The alias of the table at the end of a path, joined if it is not yet.
    fn reach(&mut self, hops: &[Hop], path: &[String]) -> String {
        let Some((last, before)) = hops.split_last() else { return self.alias.clone() };
        let left_alias = self.reach(before, &path[..path.len().saturating_sub(1)]);
        let left = self.entity(last.from, &left_alias);
        let (m, e) = last.to;
        let right = &self.catalog.graph.nodes[m].entities[e];
        let (schema, table) = physical(self.catalog, m);
        self.join(JoinKey::Hops(hops.to_vec()), &path.join("__"), (&schema, &table), |alias| {
            vec![sql::equal(left, sql::qualify(right, alias))]
        })
    }

    fn join(
        &mut self,
        key: JoinKey,
        wanted: &str,
        (schema, table): (&str, &str),
        on: impl FnOnce(&str) -> Vec<Expr>,
    ) -> String {
        if let Some((_, join)) = self.joins.iter().find(|(k, _)| *k == key) {
            return join.alias.clone();
        }
        let taken = |name: &str| name == self.alias || self.joins.iter().any(|(_, j)| j.alias == name);
        let mut alias = wanted.to_owned();
        let mut n = 2;
        while taken(&alias) {
            alias = format!("{wanted}_{n}");
            n += 1;
        }
        let full = self.full && matches!(key, JoinKey::Hops(_));
        let join =
            Join { table: (schema.to_owned(), table.to_owned()), on: on(&alias), alias: alias.clone(), full };
        self.joins.push((key, join));
        alias
    }

    /// The profile a row belongs to, for questions about audiences.
    pub(super) fn profile(&mut self, audience: &str, path: &[String]) -> Result<Expr, NameFault> {
        if !self.catalog.graph.has_audience(audience) {
            let suggestion = crate::names::closest(audience, self.catalog.graph.audience_names());
            return Err(NameFault { message: format!("unknown audience '{audience}'"), suggestion });
        }
        let before = &path[..path.len().saturating_sub(1)];
        match self.catalog.graph.find(self.model, before, "profile") {
            Ok(item) => Ok(self.value(item)),
            Err(Missing::Ambiguous(all)) => {
                let message = format!("'profile' is ambiguous: {}; name the path", all.join(", "));
                Err(NameFault { message, suggestion: None })
            }
            Err(Missing::Unknown) => Err(NameFault { message: String::new(), suggestion: None }),
        }
    }

    /// Whether the row's profile is a member; false for rows without a profile.
    pub(super) fn member(&mut self, audience: &str, path: &[String]) -> Result<Expr, NameFault> {
        let profile = self.profile(audience, path)?;
        let key = JoinKey::Audience(audience.to_owned(), profile.to_string());
        let alias = self.join(key, &format!("in_{audience}"), ("audiences", audience), |alias| {
            vec![sql::equal(profile, sql::column(alias, "profile_id"))]
        });
        Ok(Expr::IsNotNull(Box::new(sql::column(&alias, "profile_id"))))
    }
}

/// `path__name` without the grain.
pub(super) fn joined(asked: &Asked) -> String {
    let mut parts = asked.path.clone();
    parts.push(asked.name.clone());
    parts.join("__")
}

/// Tables of the warehouse that are no event tables, under their physical names.
const PHYSICAL: [&str; 17] = [
    "events",
    "tracks",
    "identifies",
    "pages",
    "screens",
    "groups",
    "aliases",
    "users",
    "accounts",
    "identities",
    "identity_map",
    "identity_links",
    "identity_versions",
    "profile_aliases",
    "profile_lineage",
    "audience_members",
    "audience_changes",
];

/// Where a model's rows are read: event tables through the view that knows each row's profile.
fn physical(catalog: &Catalog, model: usize) -> (String, String) {
    let (schema, table) = &catalog.semantic_models[model].relation;
    match (schema.as_str(), table.as_str()) {
        ("warehouse", "profiles") => ("profiles".to_owned(), "profiles".to_owned()),
        ("warehouse", "events") => ("events".to_owned(), "all".to_owned()),
        ("warehouse", table) if !PHYSICAL.contains(&table) => ("events".to_owned(), table.to_owned()),
        _ => (schema.clone(), table.clone()),
    }
}
