//! Arguments of a template as typed values; every fault of a template is reported, not only the first.

use model::{Diagnostic, Severity};

use super::{
    call::{Argument, Call, Object, Value},
    item::Item,
};
use crate::error::closest;

/// The arguments that are not taken yet, and what was wrong so far.
pub(super) struct Arguments {
    template: String,
    known: &'static [&'static str],
    given: Vec<(String, Value)>,
    faults: Vec<Diagnostic>,
}

impl Arguments {
    /// `known` are all names the template takes.
    pub(super) fn new(call: Call, known: &'static [&'static str]) -> Self {
        let mut all = Self { template: call.name, known, given: Vec::new(), faults: Vec::new() };
        for (name, value) in call.arguments {
            if !known.contains(&name.as_str()) {
                all.unknown(&name);
            } else if all.given.iter().any(|(given, _)| *given == name) {
                all.fault(format!("{name} is given twice"));
            } else {
                all.given.push((name, value));
            }
        }
        all
    }

    fn unknown(&mut self, name: &str) {
        let (template, suggestion) = (&self.template, closest(name, self.known.iter().copied()));
        let message = match self.known {
            [] => format!("semantic_layer.{template} has no arguments, '{name}' is given"),
            known => {
                format!("semantic_layer.{template} has no argument '{name}'; it has {}", known.join(", "))
            }
        };
        let suggestion = suggestion.map(str::to_owned);
        self.faults.push(diagnostic("unknown_argument", message, suggestion));
    }

    pub(super) fn fault(&mut self, message: impl Into<String>) {
        self.faults.push(diagnostic("bad_argument", message.into(), None));
    }

    /// `None` stands for an argument that is not given.
    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.given.iter().position(|(given, _)| given == name)?;
        Some(self.given.swap_remove(at).1).filter(|value| *value != Value::None)
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::Text(text) => Some(text),
            other => self.wrong(name, "a text", &other),
        }
    }

    /// A text alone stands for a list of one.
    pub(super) fn texts(&mut self, name: &str) -> Vec<String> {
        self.list(name)
            .into_iter()
            .filter_map(|item| match item {
                Value::Text(text) => Some(text),
                other => self.wrong(name, "a text or a list of texts", &other),
            })
            .collect()
    }

    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.take(name)? {
            Value::Flag(flag) => Some(flag),
            other => self.wrong(name, "True or False", &other),
        }
    }

    /// A number that is not below `least`.
    pub(super) fn number(&mut self, name: &str, least: u64) -> Option<u64> {
        match self.take(name)? {
            Value::Number(number) => match u64::try_from(number) {
                Ok(number) if number >= least => Some(number),
                _ => {
                    self.fault(format!("{name} is {number}, must be at least {least}"));
                    None
                }
            },
            other => self.wrong(name, "a whole number", &other),
        }
    }

    /// Group-bys, metrics and names as objects or texts.
    pub(super) fn items(&mut self, name: &str) -> Vec<Item> {
        let mut found = Vec::new();
        for value in self.list(name) {
            match Item::read(value) {
                Ok(item) => found.push(item),
                Err(message) => self.fault(format!("{name}: {message}")),
            }
        }
        found
    }

    fn list(&mut self, name: &str) -> Vec<Value> {
        match self.take(name) {
            None => Vec::new(),
            Some(Value::List(items)) => items,
            Some(one) => vec![one],
        }
    }

    fn wrong<T>(&mut self, name: &str, wanted: &str, found: &Value) -> Option<T> {
        self.fault(format!("{name} must be {wanted}, not {}", kind(found)));
        None
    }

    /// Nothing was wrong, or everything that was.
    pub(super) fn finish(self) -> Result<(), Vec<Diagnostic>> {
        if self.faults.is_empty() { Ok(()) } else { Err(self.faults) }
    }
}

pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => "a text",
        Value::Number(_) => "a number",
        Value::Flag(_) => "True or False",
        Value::None => "None",
        Value::List(_) => "a list",
        Value::Object(Object { .. }) => "an object",
    }
}

pub(super) fn diagnostic(code: &'static str, message: String, suggestion: Option<String>) -> Diagnostic {
    Diagnostic { code, severity: Severity::Error, span: None, message, suggestion }
}

/// Arguments of an object by position or name; `names` says which there are, in order.
pub(super) fn by_name<const N: usize>(
    function: &str,
    names: [&str; N],
    arguments: Vec<Argument>,
) -> Result<[Option<Value>; N], String> {
    let mut found = [const { None }; N];
    for (position, (name, value)) in arguments.into_iter().enumerate() {
        let slot = match &name {
            None if position < N => position,
            None => return Err(format!("{function} takes at most {N} arguments")),
            Some(name) => names
                .iter()
                .position(|known| known == name)
                .ok_or_else(|| format!("{function} has no argument '{name}'; it has {}", names.join(", ")))?,
        };
        if found[slot].is_some() {
            return Err(format!("{function}: {} is given twice", names[slot]));
        }
        found[slot] = Some(value).filter(|value| *value != Value::None);
    }
    Ok(found)
}
