use super::template::{self, Object};
use crate::Grain;

/// A name as asked for, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// As written.
    pub(super) text: String,
    pub(super) path: Vec<String>,
    pub(super) name: String,
    pub(super) grain: Option<Grain>,
}

impl Asked {
    /// Reads `profile__country`, `metric_time__month`, or an object such as `TimeDimension('x', 'week')`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if !text.contains('(') {
            return Ok(Self::of_name(text, None));
        }
        let object = template::object(text).map_err(|fault| fault.message)?;
        Self::of_object(&object, text)
    }

    pub(super) fn of_object(object: &Object, text: &str) -> Result<Self, String> {
        match object {
            Object::Dimension { name, path, grain } => {
                let mut asked = Self::of_name(name, *grain);
                asked.path.splice(0..0, path.iter().map(|p| p.to_lowercase()));
                asked.text = name.clone();
                Ok(asked)
            }
            Object::Entity { name, path } => {
                let mut path: Vec<String> = path.iter().map(|p| p.to_lowercase()).collect();
                let mut parts: Vec<String> = name.to_lowercase().split("__").map(str::to_owned).collect();
                let last = parts.pop().unwrap_or_default();
                path.extend(parts);
                Ok(Self { text: name.clone(), path, name: last, grain: None })
            }
            Object::Audience(_) => Err(format!("'{text}' is a condition; group by profile__in_<audience>")),
        }
    }

    fn of_name(text: &str, grain: Option<Grain>) -> Self {
        let lower = text.trim().to_lowercase();
        let mut parts: Vec<String> = lower.split("__").map(str::to_owned).collect();
        let mut last = parts.pop().unwrap_or_default();
        let mut found = grain;
        if let Some(suffix) = Grain::parse(&last)
            && let Some(name) = parts.pop()
        {
            found = grain.or(Some(suffix));
            last = name;
        }
        Self { text: text.to_owned(), path: parts, name: last, grain: found }
    }

    pub(super) fn is_metric_time(&self) -> bool {
        self.name == "metric_time" && self.path.is_empty()
    }

    /// The audience of `profile__in_<audience>`.
    pub(super) fn audience(&self) -> Option<&str> {
        (self.path.last().is_some_and(|p| p == "profile") && self.grain.is_none())
            .then(|| self.name.strip_prefix("in_"))
            .flatten()
    }
}
