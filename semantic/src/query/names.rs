use super::template::{self, Object};
use crate::{DatePart, Grain};

/// A name as asked for, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    /// As written.
    pub(super) text: String,
    pub(super) path: Vec<String>,
    pub(super) name: String,
    /// Standard or custom, by name.
    pub(super) grain: Option<String>,
    pub(super) part: Option<DatePart>,
}

impl Asked {
    /// Reads `profile__country`, `metric_time__month`, or an object such as `TimeDimension('x', 'week')`.
    /// `custom` knows the names of custom grains.
    pub(super) fn parse(text: &str, custom: &dyn Fn(&str) -> bool) -> Result<Self, String> {
        if !text.contains('(') {
            return Ok(Self::of_name(text, custom));
        }
        let object = template::object(text).map_err(|fault| fault.message)?;
        Self::of_object(&object, text, custom)
    }

    pub(super) fn of_object(
        object: &Object,
        text: &str,
        custom: &dyn Fn(&str) -> bool,
    ) -> Result<Self, String> {
        match object {
            Object::Dimension { name, path, grain, part } => {
                let mut asked = Self::of_name(name, custom);
                asked.path.splice(0..0, path.iter().map(|p| p.to_lowercase()));
                asked.grain = grain.clone().or(asked.grain);
                asked.part = part.or(asked.part);
                asked.text.clone_from(name);
                Ok(asked)
            }
            Object::Entity { name, path } => {
                let mut path: Vec<String> = path.iter().map(|p| p.to_lowercase()).collect();
                let mut parts: Vec<String> = name.to_lowercase().split("__").map(str::to_owned).collect();
                let last = parts.pop().unwrap_or_default();
                path.extend(parts);
                Ok(Self { text: name.clone(), path, name: last, grain: None, part: None })
            }
            Object::Audience(_) => Err(format!("'{text}' is a condition; group by profile__in_<audience>")),
            Object::Metric { .. } => Err(format!("'{text}' is a metric; ask for it among the metrics")),
        }
    }

    fn of_name(text: &str, custom: &dyn Fn(&str) -> bool) -> Self {
        let lower = text.trim().to_lowercase();
        let mut path: Vec<String> = lower.split("__").map(str::to_owned).collect();
        let mut name = path.pop().unwrap_or_default();
        let (mut grain, mut part) = (None, None);
        if !path.is_empty() {
            part = name.strip_prefix("extract_").and_then(DatePart::parse);
            if part.is_none() && (Grain::parse(&name).is_some() || custom(&name)) {
                grain = Some(name.clone());
            }
            if part.is_some() || grain.is_some() {
                name = path.pop().unwrap_or_default();
            }
        }
        Self { text: text.to_owned(), path, name, grain, part }
    }

    pub(super) fn is_metric_time(&self) -> bool {
        self.name == "metric_time" && self.path.is_empty()
    }

    /// The audience of `profile__in_<audience>`.
    pub(super) fn audience(&self) -> Option<&str> {
        let plain = self.grain.is_none() && self.part.is_none();
        (self.path.last().is_some_and(|p| p == "profile") && plain)
            .then(|| self.name.strip_prefix("in_"))
            .flatten()
    }

    /// Whether it is `profile__audience`, the audiences a row's profile is in.
    pub(super) fn is_audience_name(&self) -> bool {
        self.name == "audience" && self.path.last().is_some_and(|p| p == "profile")
    }

    /// `path__name` without the grain.
    pub(super) fn joined(&self) -> String {
        let mut out = String::new();
        for part in &self.path {
            out.push_str(part);
            out.push_str("__");
        }
        out.push_str(&self.name);
        out
    }
}
