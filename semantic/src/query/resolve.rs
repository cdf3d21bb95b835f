//! What names mean, seen from one table and its time; nothing is joined yet.

use model::ColumnType;

use super::{
    graph::{Item, Missing, Target, base_grain},
    names::Asked,
    time,
};
use crate::{Catalog, DatePart, Grain, TimeGrain};

/// What is wrong with one name or filter. An empty message: there is no such name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameFault {
    pub(crate) message: String,
    pub(crate) suggestion: Option<String>,
}

impl NameFault {
    fn of(message: String) -> Self {
        Self { message, suggestion: None }
    }
}

/// From where names are seen: a model, and the time `metric_time` stands for with its finest grain.
/// Without a model there is only time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) model: Option<usize>,
    /// The model's own time dimension.
    pub(super) own: Option<usize>,
    pub(super) base: Option<Grain>,
}

/// A name that is understood.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reference {
    pub(super) what: What,
    pub(super) take: Take,
    pub(super) column_type: Option<ColumnType>,
    /// Name of its output column (Q1.4).
    pub(super) column: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    /// `metric_time`, or the time dimension it stands for.
    Time,
    Item(Item),
    /// Whether the row's profile is in an audience.
    Member(String, Vec<String>),
    /// The audiences the row's profile is in.
    Audience(Vec<String>),
    /// SQL over dimensions.
    Computed(String),
}

/// What is taken of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    Value,
    Grain(Grain),
    /// Spine and number of the custom grain.
    Custom(usize, usize),
    Part(DatePart),
}

impl Reference {
    /// The standard grain its values need; a date part counts as day (Q8.1).
    pub(super) fn needs(&self) -> Option<Grain> {
        match (&self.what, self.take) {
            (What::Time, Take::Grain(grain)) => Some(grain),
            (What::Time, Take::Part(_)) => Some(Grain::Day),
            _ => None,
        }
    }

    pub(super) fn is_time(&self) -> bool {
        self.what == What::Time
    }
}

impl Seat {
    pub(super) fn of(catalog: &Catalog, model: usize, time_dimension: &str) -> Self {
        let of = &catalog.semantic_models[model];
        let own = of.dimensions.iter().position(|d| d.name == time_dimension);
        Self { model: Some(model), own, base: own.and_then(|d| base_grain(of, d)) }
    }

    /// A name; `default` is the grain of `metric_time` where none is asked for.
    pub(super) fn resolve(
        &self,
        catalog: &Catalog,
        asked: &Asked,
        default: &TimeGrain,
    ) -> Result<Reference, NameFault> {
        if asked.is_metric_time() {
            return self.metric_time(catalog, asked, default);
        }
        if asked.is_audience_name() {
            self.profile(catalog, &asked.path)?;
            let (path, column) = (asked.path.clone(), asked.joined());
            let column_type = Some(ColumnType::String);
            return Ok(Reference { what: What::Audience(path), take: Take::Value, column_type, column });
        }
        if let Some(audience) = asked.audience() {
            self.audience(catalog, audience, &asked.path)?;
            let what = What::Member(audience.to_owned(), asked.path.clone());
            let column = asked.joined();
            return Ok(Reference { what, take: Take::Value, column_type: Some(ColumnType::Boolean), column });
        }
        let item = self.find(catalog, asked)?;
        self.of_item(catalog, item, asked)
    }

    fn metric_time(
        &self,
        catalog: &Catalog,
        asked: &Asked,
        default: &TimeGrain,
    ) -> Result<Reference, NameFault> {
        let Some(base) = self.base else {
            return Err(NameFault::of("it has no time".to_owned()));
        };
        let take = match (asked.part, &asked.grain) {
            (Some(part), _) => Take::Part(part),
            (None, Some(grain)) => grain_of(catalog, grain)?,
            (None, None) => grain_of(catalog, default.as_str())?,
        };
        fine_enough(catalog, take, base, &asked.text)?;
        let column = named("metric_time".to_owned(), catalog, take);
        Ok(Reference { what: What::Time, take, column_type: type_of(take, None), column })
    }

    fn of_item(&self, catalog: &Catalog, item: Item, asked: &Asked) -> Result<Reference, NameFault> {
        let base = match item.target {
            Target::Dimension(m, d) => base_grain(&catalog.semantic_models[m], d),
            Target::Entity(..) => None,
        };
        let own_type = match item.target {
            Target::Dimension(m, d) => catalog.semantic_models[m].dimensions[d].column_type,
            Target::Entity(..) => None,
        };
        let take = match (base, asked.part, &asked.grain) {
            (None, None, None) => Take::Value,
            (None, ..) => {
                let what = asked.grain.as_ref().map_or("date part".to_owned(), |g| format!("grain {g}"));
                let message = format!("'{}' has no {what}, it is not a time dimension", item.qualified());
                return Err(NameFault::of(message));
            }
            (Some(_), Some(part), _) => Take::Part(part),
            (Some(_), None, Some(grain)) => grain_of(catalog, grain)?,
            (Some(base), None, None) => Take::Grain(base),
        };
        if let Some(base) = base {
            fine_enough(catalog, take, base, &asked.text)?;
        }
        let own = item.hops.is_empty()
            && matches!(item.target, Target::Dimension(m, d) if Some(m) == self.model && Some(d) == self.own);
        let column = named(item.qualified(), catalog, take);
        let column_type = type_of(take, own_type);
        let what = if own { What::Time } else { What::Item(item) };
        Ok(Reference { what, take, column_type, column })
    }

    fn find(&self, catalog: &Catalog, asked: &Asked) -> Result<Item, NameFault> {
        let unknown = NameFault { message: String::new(), suggestion: None };
        let Some(model) = self.model else { return Err(unknown) };
        let (graph, models) = (&catalog.graph, &catalog.semantic_models);
        graph.find(models, model, &asked.path, &asked.name).map_err(|missing| match missing {
            Missing::Ambiguous(all) => ambiguous(&asked.text, &all),
            Missing::Unknown => {
                NameFault { suggestion: graph.closest(models, model, &asked.joined()), ..unknown }
            }
        })
    }

    /// The profile a row belongs to.
    pub(super) fn profile(&self, catalog: &Catalog, path: &[String]) -> Result<Item, NameFault> {
        let unknown = NameFault { message: String::new(), suggestion: None };
        let Some(model) = self.model else { return Err(unknown) };
        let before = &path[..path.len().saturating_sub(1)];
        match catalog.graph.find(&catalog.semantic_models, model, before, "profile") {
            Ok(item) => Ok(item),
            Err(Missing::Ambiguous(all)) => Err(ambiguous("profile", &all)),
            Err(Missing::Unknown) => Err(unknown),
        }
    }

    /// The profile a row belongs to, for a question about an audience.
    pub(super) fn audience(
        &self,
        catalog: &Catalog,
        audience: &str,
        path: &[String],
    ) -> Result<Item, NameFault> {
        if !catalog.graph.has_audience(audience) {
            let suggestion = crate::names::closest(audience, catalog.graph.audience_names());
            return Err(NameFault { message: format!("unknown audience '{audience}'"), suggestion });
        }
        self.profile(catalog, path)
    }
}

fn ambiguous(text: &str, all: &[String]) -> NameFault {
    NameFault::of(format!("'{text}' is ambiguous: {}; name the path", all.join(", ")))
}

/// A grain by name, standard or custom.
fn grain_of(catalog: &Catalog, name: &str) -> Result<Take, NameFault> {
    if let Some(grain) = Grain::parse(name) {
        return Ok(Take::Grain(grain));
    }
    if let Some((spine, n)) = catalog.graph.custom_grain(name) {
        return Ok(Take::Custom(spine, n));
    }
    let known = Grain::ALL.map(Grain::as_str).into_iter().chain(catalog.graph.custom_grains());
    let suggestion = crate::names::closest(name, known);
    Err(NameFault { message: format!("unknown grain '{name}'"), suggestion })
}

fn fine_enough(catalog: &Catalog, take: Take, base: Grain, text: &str) -> Result<(), NameFault> {
    let finest = match take {
        Take::Grain(grain) => grain,
        Take::Custom(spine, _) => catalog.time_spines[spine].grain,
        Take::Part(part) => time::period_of(part),
        Take::Value => return Ok(()),
    };
    if finest < base {
        return Err(NameFault::of(format!("'{text}' is too fine (grain {base})")));
    }
    Ok(())
}

fn named(mut name: String, catalog: &Catalog, take: Take) -> String {
    match take {
        Take::Value => return name,
        Take::Grain(grain) => {
            name.push_str("__");
            name.push_str(grain.as_str());
        }
        Take::Custom(spine, n) => {
            name.push_str("__");
            name.push_str(&catalog.time_spines[spine].custom_grains[n].name);
        }
        Take::Part(part) => {
            name.push_str("__extract_");
            name.push_str(part.as_str());
        }
    }
    name
}

fn type_of(take: Take, own: Option<ColumnType>) -> Option<ColumnType> {
    match take {
        Take::Value => own,
        Take::Grain(_) => Some(ColumnType::Timestamp),
        Take::Custom(..) => None,
        Take::Part(_) => Some(ColumnType::Int64),
    }
}
