//! Which names are allowed, and which known name a misspelt one probably means.

use crate::Grain;

/// Words that would break the SQL of other tools, and names the compiler gives itself.
const RESERVED: [&str; 28] = [
    "metric_time",
    "mf_internal_uuid",
    "and",
    "as",
    "create",
    "distinct",
    "for",
    "from",
    "full",
    "having",
    "in",
    "inner",
    "into",
    "is",
    "join",
    "left",
    "like",
    "natural",
    "not",
    "null",
    "on",
    "or",
    "right",
    "select",
    "union",
    "using",
    "where",
    "with",
];

/// What is wrong with a name of the semantic layer (V1, V2).
pub(crate) fn fault(name: &str) -> Option<(&'static str, String)> {
    if !is_element_name(name) {
        return Some((
            "bad_name",
            format!(
                "'{name}' is not a valid name: use lower case letters, digits and single underscores, \
                 start with a letter, at least 2 characters"
            ),
        ));
    }
    if Grain::parse(name).is_some() {
        return Some(("reserved_name", format!("'{name}' is reserved (time grain); choose another name")));
    }
    RESERVED.contains(&name).then(|| ("reserved_name", format!("'{name}' is reserved; choose another name")))
}

/// `^[a-z][a-z0-9_]*[a-z0-9]$` without `__`.
pub(crate) fn is_element_name(name: &str) -> bool {
    is_plain_name(name) && name.len() >= 2 && !name.ends_with('_')
}

/// `[a-z][a-z0-9_]*` without `__`.
pub(crate) fn is_plain_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !name.contains("__")
}

/// The known name nearest to an unknown one, if it is near enough to be meant.
pub(crate) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let lower = name.to_lowercase();
    let limit = (name.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .filter(|k| *k != name)
        .map(|k| (strsim::osa_distance(&lower, &k.to_lowercase()), k))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, k)| k.to_owned())
}
