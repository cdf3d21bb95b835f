use std::fmt;

use model::ColumnType;

use super::{Grain, Measure};

/// A table with its entities, dimensions and measures (dbt's semantic model).
#[derive(Debug, Clone, PartialEq)]
pub struct SemanticModel {
    /// Its name.
    pub name: String,
    /// Where its rows are.
    pub relation: Relation,
    /// Name for people.
    pub label: Option<String>,
    /// Text for people.
    pub description: Option<String>,
    /// The entity in front of local dimensions: the one of type primary, or `primary_entity`.
    pub primary_entity: Option<String>,
    /// The time dimension measures use by default.
    pub default_agg_time_dimension: Option<String>,
    /// Join keys.
    pub entities: Vec<Entity>,
    /// What can be grouped and filtered by.
    pub dimensions: Vec<Dimension>,
    /// What can be aggregated; empty where metrics aggregate by themselves (dbt's 2026 spec).
    pub measures: Vec<Measure>,
    /// `config.meta` as JSON text.
    pub meta: Option<String>,
    /// Made by Etalon, not declared in a file.
    pub automatic: bool,
}

/// Where rows are. `schema` is the name of a source, or `warehouse`, where the data is Etalon's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Relation {
    /// A table or view.
    Table {
        /// The database in front of the schema, where one was written.
        database: Option<String>,
        /// Its schema.
        schema: String,
        /// Its name.
        name: String,
    },
    /// The rows of a SELECT.
    Query(String),
}

impl Relation {
    /// `schema.name`.
    pub fn table(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self::Table { database: None, schema: schema.into(), name: name.into() }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table { database: Some(database), schema, name } => write!(f, "{database}.{schema}.{name}"),
            Self::Table { database: None, schema, name } => write!(f, "{schema}.{name}"),
            Self::Query(text) => write!(f, "({text})"),
        }
    }
}

/// A join key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// Its name.
    pub name: String,
    /// How it may join.
    pub entity_type: EntityType,
    /// SQL over the model's columns.
    pub expr: String,
    /// For `profile`: the identifier type whose value `expr` holds; matched through `identity_map`.
    pub identifier: Option<String>,
    /// dbt's `role`.
    pub role: Option<String>,
    /// Name for people.
    pub label: Option<String>,
    /// Text for people.
    pub description: Option<String>,
    /// `config.meta` as JSON text.
    pub meta: Option<String>,
}

impl Entity {
    /// An entity without texts for people.
    pub fn new(name: impl Into<String>, entity_type: EntityType, expr: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            entity_type,
            expr: expr.into(),
            identifier: None,
            role: None,
            label: None,
            description: None,
            meta: None,
        }
    }
}

/// How an entity may join (dbt's types).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntityType {
    /// One row per value, all values.
    Primary,
    /// One row per value, some values.
    Unique,
    /// Many rows per value.
    Foreign,
    /// One row per value and validity window.
    Natural,
}

/// What can be grouped and filtered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dimension {
    /// Its name.
    pub name: String,
    /// SQL over the model's columns.
    pub expr: String,
    /// Categorical, or time with its grain.
    pub kind: DimensionKind,
    /// Joins compare it on both sides (Q2.2).
    pub is_partition: bool,
    /// Which end of a validity window it is.
    pub validity: Option<Validity>,
    /// Type of its column, where it is known.
    pub column_type: Option<ColumnType>,
    /// Name for people.
    pub label: Option<String>,
    /// Text for people.
    pub description: Option<String>,
    /// `config.meta` as JSON text.
    pub meta: Option<String>,
}

impl Dimension {
    /// A dimension without texts for people.
    pub fn new(name: impl Into<String>, kind: DimensionKind, expr: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            expr: expr.into(),
            kind,
            is_partition: false,
            validity: None,
            column_type: None,
            label: None,
            description: None,
            meta: None,
        }
    }
}

/// Kinds of dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DimensionKind {
    /// Any value.
    Categorical,
    /// A time, stored at this grain.
    Time(Grain),
}

/// Ends of a validity window: a row counts while `start <= t` and `t < end` or there is no end (Q2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// First instant included.
    Start,
    /// First instant excluded.
    End,
}
