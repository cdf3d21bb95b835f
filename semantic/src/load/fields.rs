use model::Span;

use super::declared::At;
use crate::{
    names,
    report::Report,
    yaml::{Node, NodeValue},
};

/// What a key means that the reader does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    /// A slip of whoever wrote the file.
    Strict,
    /// Something newer: programs wrote the file, and later versions of them add keys.
    Lenient,
}

/// The members of one mapping, with its unknown and not offered keys already reported.
pub(super) struct Fields<'a> {
    node: &'a Node,
    what: &'static str,
}

impl<'a> Fields<'a> {
    /// `None`, reported, if the node is no mapping. `later` are keys of the format that this version
    /// does not offer.
    pub(super) fn open(
        node: &'a Node,
        what: &'static str,
        known: &[&'static str],
        later: &[&'static str],
        report: &mut Report,
    ) -> Option<Self> {
        Self::read(node, what, (known, later), Keys::Strict, report)
    }

    /// The same, where unknown keys may be passed over.
    pub(super) fn read(
        node: &'a Node,
        what: &'static str,
        (known, later): (&[&'static str], &[&'static str]),
        keys: Keys,
        report: &mut Report,
    ) -> Option<Self> {
        match &node.value {
            NodeValue::Map(_) if keys == Keys::Lenient => Some(Self { node, what }),
            NodeValue::Map(members) => {
                for (key, _) in members {
                    if later.contains(&key.text.as_str()) {
                        unsupported(&format!("'{}' of {what}", key.text), &key.span, report);
                    } else if !known.contains(&key.text.as_str()) {
                        let close = names::closest(&key.text, known.iter().copied());
                        let message = format!("unknown key '{}' in {what}", key.text);
                        report.suggest("unknown_key", &key.span, message, close);
                    }
                }
                Some(Self { node, what })
            }
            NodeValue::Bad => None,
            _ => {
                report.error(
                    "bad_value",
                    &node.span,
                    format!("{what} must be a mapping, not {}", node.kind()),
                );
                None
            }
        }
    }

    pub(super) fn span(&self) -> &'a Span {
        &self.node.span
    }

    /// A member that is written and not null. One that was reported as bad counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&'a Node> {
        self.node.get(key).filter(|n| !n.is_null() && !n.is_bad())
    }

    /// The first of these keys that is written.
    pub(super) fn place_of(&self, key: &str) -> &'a Span {
        self.node.members().iter().find(|(k, _)| k.text == key).map_or(&self.node.span, |(k, _)| &k.span)
    }

    /// A single value as text.
    pub(super) fn word(&mut self, key: &str, report: &mut Report) -> Option<(&'a str, &'a Span)> {
        let node = self.get(key)?;
        let text = node.text();
        if text.is_none() {
            let message = format!("'{key}' of {} must be a text, not {}", self.what, node.kind());
            report.error("bad_value", &node.span, message);
        }
        text.map(|t| (t, &node.span))
    }

    /// A single value with its place.
    pub(super) fn at(&mut self, key: &str, report: &mut Report) -> Option<At<String>> {
        self.word(key, report).map(|(text, span)| At::new(text.to_owned(), span))
    }

    /// A whole number, negative ones too.
    pub(super) fn integer(&mut self, key: &str, report: &mut Report) -> Option<i64> {
        let node = self.get(key)?;
        let number = node.as_number().and_then(|text| text.parse().ok());
        if number.is_none() {
            report.error("bad_value", &node.span, format!("'{key}' must be a whole number"));
        }
        number
    }

    /// A single value as owned text.
    pub(super) fn text(&mut self, key: &str, report: &mut Report) -> Option<String> {
        self.word(key, report).map(|(text, _)| text.to_owned())
    }

    /// A single value that must be there.
    pub(super) fn required(&mut self, key: &str, report: &mut Report) -> Option<(&'a str, &'a Span)> {
        self.required_node(key, report)?;
        self.word(key, report)
    }

    /// A member that must be there.
    pub(super) fn required_node(&mut self, key: &str, report: &mut Report) -> Option<&'a Node> {
        let node = self.node.get(key);
        if node.is_none_or(Node::is_null) {
            report.error("missing_key", &self.node.span, format!("{} needs '{key}'", self.what));
        }
        node.filter(|n| !n.is_null() && !n.is_bad())
    }

    pub(super) fn boolean(&mut self, key: &str, default: bool, report: &mut Report) -> bool {
        let Some(node) = self.get(key) else { return default };
        node.as_bool().unwrap_or_else(|| {
            report.error("bad_value", &node.span, format!("'{key}' must be true or false"));
            default
        })
    }

    /// A whole number of at least `least`.
    pub(super) fn whole(&mut self, key: &str, least: u64, report: &mut Report) -> Option<u64> {
        let node = self.get(key)?;
        let number = node.as_whole().filter(|n| *n >= least);
        if number.is_none() {
            report.error(
                "bad_value",
                &node.span,
                format!("'{key}' must be a whole number of at least {least}"),
            );
        }
        number
    }

    /// One word of a closed set, in any case.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &str,
        choices: &[(&'static str, T)],
        report: &mut Report,
    ) -> Option<T> {
        choose(self.get(key)?, key, choices, report)
    }

    /// The items of a list that may be absent.
    pub(super) fn list(&mut self, key: &str, report: &mut Report) -> &'a [Node] {
        let Some(node) = self.get(key) else { return &[] };
        if let NodeValue::List(items) = &node.value {
            return items;
        }
        report.error(
            "bad_value",
            &node.span,
            format!("'{key}' of {} must be a list, not {}", self.what, node.kind()),
        );
        &[]
    }

    /// Texts: one, or a list of them.
    pub(super) fn texts(&mut self, key: &str, report: &mut Report) -> Vec<(String, Span)> {
        let Some(node) = self.get(key) else { return Vec::new() };
        let mut texts = Vec::new();
        for item in node.one_or_many() {
            match item.text() {
                Some(text) => texts.push((text.to_owned(), item.span.clone())),
                None if item.is_bad() => {}
                None => report.error(
                    "bad_value",
                    &item.span,
                    format!("'{key}' must hold texts, not {}", item.kind()),
                ),
            }
        }
        texts
    }
}

/// One word of a closed set, in any case (V22).
pub(super) fn choose<T: Copy>(
    node: &Node,
    key: &str,
    choices: &[(&'static str, T)],
    report: &mut Report,
) -> Option<T> {
    let Some(text) = node.text() else {
        if !node.is_bad() {
            let message = format!("'{key}' must be a text, not {}", node.kind());
            report.error("bad_value", &node.span, message);
        }
        return None;
    };
    let found = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let article = if key.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        let message = format!("'{text}' is not {article} {key}; use {}", names.join(", "));
        report.suggest("bad_value", &node.span, message, names::closest(text, names.iter().copied()));
    }
    found
}

/// The one way to say that something of the format is not offered.
pub(super) fn unsupported(what: &str, span: &Span, report: &mut Report) {
    report.error("unsupported", span, format!("{what} is not offered by this version"));
}

/// Reports a name that is taken.
pub(super) fn duplicate(what: &str, name: &str, first: &Span, again: &Span, report: &mut Report) {
    report.error("duplicate_name", again, format!("{what} '{name}' is already defined at {first}"));
}
