//! Metrics and group-bys as templates name them: `'-revenue'`, `TimeDimension('metric_time', 'MONTH')`.

use semantic::{GroupBy, OrderBy};

use super::{
    arguments::{by_name, kind},
    call::{Argument, Object, Value},
};

/// One named thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// As it was written; a sign in front may say a direction.
    Text(String),
    Metric {
        name: String,
        descending: bool,
    },
    GroupBy {
        name: String,
        grain: Option<String>,
        date_part: Option<String>,
        descending: bool,
    },
}

impl Item {
    pub(super) fn read(value: Value) -> Result<Self, String> {
        match value {
            Value::Text(text) => Ok(Self::Text(text)),
            Value::Object(object) => Self::object(object),
            other => Err(format!(
                "a name or an object such as Dimension('order__currency') expected, not {}",
                kind(&other)
            )),
        }
    }

    fn object(object: Object) -> Result<Self, String> {
        let function = object.function.as_str();
        let mut item = match function {
            "Metric" => {
                let [name, group_by] = by_name(function, ["metric_name", "group_by"], object.arguments)?;
                if group_by.is_some() {
                    return Err("Metric(..) with group_by belongs in a filter".to_owned());
                }
                Self::Metric { name: text(function, "metric_name", name)?, descending: false }
            }
            "TimeDimension" => {
                const NAMES: [&str; 5] = [
                    "time_dimension_name",
                    "time_granularity_name",
                    "entity_path",
                    "descending",
                    "date_part_name",
                ];
                let [name, grain, path, descending, date_part] = by_name(function, NAMES, object.arguments)?;
                Self::GroupBy {
                    name: qualified(path, text(function, NAMES[0], name)?)?,
                    grain: grain
                        .map(|grain| text(function, NAMES[1], Some(grain)))
                        .transpose()?
                        .and_then(some),
                    date_part: date_part.map(|part| text(function, NAMES[4], Some(part))).transpose()?,
                    descending: flag(function, descending)?,
                }
            }
            _ => {
                let [name, path] = by_name(function, ["name", "entity_path"], object.arguments)?;
                let name = qualified(path, text(function, "name", name)?)?;
                Self::GroupBy { name, grain: None, date_part: None, descending: false }
            }
        };
        for (method, arguments) in object.methods {
            item.apply(function, &method, arguments)?;
        }
        Ok(item)
    }

    fn apply(&mut self, function: &str, method: &str, arguments: Vec<Argument>) -> Result<(), String> {
        let [argument] = by_name(method, [method], arguments)?;
        match (self, method) {
            (Self::Metric { descending, .. } | Self::GroupBy { descending, .. }, "descending") => {
                *descending = match argument {
                    None => true,
                    given => flag(method, given)?,
                };
            }
            (Self::GroupBy { grain, .. }, "grain") if function != "Entity" => {
                *grain = some(text(method, "a grain", argument)?);
            }
            (Self::GroupBy { date_part, .. }, "date_part") if function != "Entity" => {
                *date_part = Some(text(method, "a part", argument)?.to_lowercase());
            }
            _ => return Err(format!("{function} has no method '{method}'")),
        }
        Ok(())
    }

    /// As a group-by; only what is one.
    pub(super) fn group_by(self) -> Result<GroupBy, String> {
        match self {
            Self::Text(text) => Ok(GroupBy::Name(text)),
            Self::Metric { name, .. } => Err(format!("Metric('{name}') cannot be grouped by")),
            Self::GroupBy { descending: true, name, .. } => {
                Err(format!("'{name}': descending belongs in order_by"))
            }
            Self::GroupBy { name, grain, date_part: None, .. } => Ok(GroupBy::Name(with_grain(name, grain))),
            Self::GroupBy { name, grain, date_part: Some(part), .. } => {
                // Parts are asked for in object form only (Q1.1).
                let grain = grain.map(|grain| format!(".grain('{grain}')")).unwrap_or_default();
                Ok(GroupBy::Name(format!("Dimension('{name}'){grain}.date_part('{part}')")))
            }
        }
    }

    /// As an item of the order.
    pub(super) fn order_by(self) -> OrderBy {
        match self {
            Self::Text(text) => match text.strip_prefix('-') {
                Some(name) => OrderBy { name: name.to_owned(), descending: true },
                None => {
                    let name = text.strip_prefix('+').unwrap_or(&text).to_owned();
                    OrderBy { name, descending: false }
                }
            },
            Self::Metric { name, descending } => OrderBy { name, descending },
            Self::GroupBy { name, grain, date_part, descending } => {
                let name = match date_part {
                    Some(part) => format!("{name}__extract_{part}"),
                    None => with_grain(name, grain),
                };
                OrderBy { name, descending }
            }
        }
    }
}

/// The SDK writes the grain of a time dimension without one as `"None"`.
fn some(grain: String) -> Option<String> {
    (!grain.eq_ignore_ascii_case("none")).then(|| grain.to_lowercase())
}

fn with_grain(name: String, grain: Option<String>) -> String {
    match grain {
        Some(grain) => format!("{name}__{grain}"),
        None => name,
    }
}

fn qualified(path: Option<Value>, name: String) -> Result<String, String> {
    let mut parts = match path {
        None => Vec::new(),
        Some(Value::List(items)) => items
            .into_iter()
            .map(|item| text("entity_path", "an entity", Some(item)))
            .collect::<Result<Vec<_>, _>>()?,
        Some(one) => vec![text("entity_path", "an entity", Some(one))?],
    };
    parts.push(name);
    Ok(parts.join("__"))
}

/// A text that is safe to be put between quotes again.
fn text(function: &str, what: &str, value: Option<Value>) -> Result<String, String> {
    match value {
        Some(Value::Text(text)) if text.contains(['\'', '"', '\\', '(', ')', '{', '}']) => {
            Err(format!("'{text}' is not a name"))
        }
        Some(Value::Text(text)) => Ok(text),
        Some(other) => Err(format!("{function}: {what} must be a text, not {}", kind(&other))),
        None => Err(format!("{function} needs {what}")),
    }
}

fn flag(function: &str, value: Option<Value>) -> Result<bool, String> {
    match value {
        None => Ok(false),
        Some(Value::Flag(flag)) => Ok(flag),
        Some(other) => Err(format!("{function}: True or False expected, not {}", kind(&other))),
    }
}
