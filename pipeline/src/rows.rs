//! What the warehouse shows of identity and audiences: the tables, and how their rows are made.

use identity::{LinkView, Profile, RecordView};
use model::{ColumnType, MembershipChange, Offset, ProfileId, Timestamp, Value, json::Json};
use semantic::ProfileRules;
use warehouse::{ColumnSpec, TableSpec, Upsert};

pub(crate) const IDENTITIES: &str = "identities";
pub(crate) const IDENTITY_LINKS: &str = "identity_links";
pub(crate) const IDENTITY_MAP: &str = "identity_map";
pub(crate) const IDENTITY_VERSIONS: &str = "identity_versions";
pub(crate) const PROFILES: &str = "profiles";
pub(crate) const PROFILE_IDENTIFIERS: &str = "profile_identifiers";
pub(crate) const PROFILE_ALIASES: &str = "profile_aliases";
pub(crate) const AUDIENCE_MEMBERS: &str = "audience_members";
pub(crate) const AUDIENCE_CHANGES: &str = "audience_changes";

pub(crate) const ALL: [&str; 9] = [
    IDENTITIES,
    IDENTITY_LINKS,
    IDENTITY_MAP,
    IDENTITY_VERSIONS,
    PROFILES,
    PROFILE_IDENTIFIERS,
    PROFILE_ALIASES,
    AUDIENCE_MEMBERS,
    AUDIENCE_CHANGES,
];

/// The keyed tables the warehouse must be opened with (`identity.md` §11, `audiences.md` §7).
pub fn table_specs(rules: &ProfileRules) -> Vec<TableSpec> {
    use ColumnType::{Int64, Json, String, Timestamp};
    let mut profile_columns =
        vec![("profile_id", String), ("anchor", String), ("records", Int64), ("identifiers", Json)];
    let traits = rules.traits.iter().map(|rule| (rule.name.as_str(), rule.column_type));
    profile_columns.extend(traits);
    profile_columns.extend([
        ("extra", Json),
        ("first_seen", Timestamp),
        ("updated_at", Timestamp),
        ("version", Int64),
    ]);
    vec![
        spec(
            IDENTITIES,
            &["record_id"],
            &[
                ("record_id", String),
                ("source", String),
                ("key", String),
                ("kind", String),
                ("first_seen", Timestamp),
                ("last_seen", Timestamp),
                ("traits", Json),
                ("version", Int64),
            ],
        ),
        spec(
            IDENTITY_LINKS,
            &["record_id", "type", "value"],
            &[
                ("record_id", String),
                ("type", String),
                ("value", String),
                ("first_seen", Timestamp),
                ("last_seen", Timestamp),
                ("status", String),
                ("profile_id", String),
                ("version", Int64),
            ],
        ),
        spec(
            IDENTITY_MAP,
            &["record_id", "from_version"],
            &[("record_id", String), ("profile_id", String), ("from_version", Int64), ("to_version", Int64)],
        ),
        TableSpec {
            append_only: true,
            ..spec(
                IDENTITY_VERSIONS,
                &["version"],
                &[
                    ("version", Int64),
                    ("log_offset", Int64),
                    ("published_at", Timestamp),
                    ("profiles", Int64),
                    ("merges", Int64),
                    ("splits", Int64),
                ],
            )
        },
        spec(PROFILES, &["profile_id"], &profile_columns),
        spec(
            PROFILE_IDENTIFIERS,
            &["profile_id", "type", "value"],
            &[("profile_id", String), ("type", String), ("value", String)],
        ),
        spec(
            PROFILE_ALIASES,
            &["old_id", "from_version"],
            &[
                ("old_id", String),
                ("new_id", String),
                ("reason", String),
                ("from_version", Int64),
                ("to_version", Int64),
            ],
        ),
        spec(
            AUDIENCE_MEMBERS,
            &["audience", "profile_id"],
            &[
                ("audience", String),
                ("profile_id", String),
                ("version", Int64),
                ("entered_at", Timestamp),
                ("leaves_at", Timestamp),
            ],
        ),
        TableSpec {
            append_only: true,
            ..spec(
                AUDIENCE_CHANGES,
                &["seq"],
                &[
                    ("seq", Int64),
                    ("id", String),
                    ("audience", String),
                    ("version", Int64),
                    ("profile_id", String),
                    ("change", String),
                    ("reason", String),
                    ("at", Timestamp),
                    ("computed_at", Timestamp),
                    ("profile_seq", Int64),
                    ("leaves_at", Timestamp),
                    ("cause_message_id", String),
                    ("merged_into", String),
                ],
            )
        },
    ]
}

fn spec(name: &'static str, key: &[&'static str], columns: &[(&str, ColumnType)]) -> TableSpec {
    TableSpec {
        name,
        key: key.to_vec(),
        columns: columns.iter().map(|(name, column_type)| ColumnSpec::new(*name, *column_type)).collect(),
        append_only: false,
    }
}

fn text(text: impl ToString) -> Value {
    Value::Text(text.to_string())
}

fn number(number: u64) -> Value {
    Value::Int64(i64::try_from(number).unwrap_or(i64::MAX))
}

fn optional<T>(value: Option<T>, make: impl FnOnce(T) -> Value) -> Value {
    value.map_or(Value::Null, make)
}

/// Rows of `identities` and `identity_links` for one record.
pub(crate) fn record(view: &RecordView, offset: Offset, out: &mut Vec<Upsert>) {
    let version = number(view.version.0);
    out.push(Upsert {
        table: IDENTITIES,
        key: vec![text(&view.rid)],
        row: Some(vec![
            text(&view.rid),
            text(&view.source),
            text(&view.key),
            text(view.kind.as_str()),
            Value::Timestamp(view.first_seen),
            Value::Timestamp(view.last_seen),
            text(&view.traits),
            version.clone(),
        ]),
        offset,
    });
    out.extend(view.links.iter().map(|l| link(view, l, version.clone(), offset)));
}

fn link(view: &RecordView, link: &LinkView, version: Value, offset: Offset) -> Upsert {
    Upsert {
        table: IDENTITY_LINKS,
        key: vec![text(&view.rid), text(&link.identifier), text(&link.value)],
        row: Some(vec![
            text(&view.rid),
            text(&link.identifier),
            text(&link.value),
            Value::Timestamp(link.first_seen),
            Value::Timestamp(link.last_seen),
            text(link.status.as_str()),
            text(view.profile),
            version,
        ]),
        offset,
    }
}

/// Row of `profiles`: one column per declared trait, the others in `extra`.
pub(crate) fn profile(profile: &Profile, rules: &ProfileRules, offset: Offset) -> Upsert {
    let mut row = vec![
        text(profile.id),
        text(&profile.anchor),
        number(u64::from(profile.records)),
        Value::Text(identifiers_json(profile)),
    ];
    let declared = |name: &str| rules.traits.iter().any(|rule| rule.name == name);
    for rule in &rules.traits {
        row.push(optional(profile.traits.get(&rule.name), |value| {
            trait_value(&value.json, rule.column_type)
        }));
    }
    let extra: Vec<String> = profile
        .traits
        .iter()
        .filter(|(name, _)| !declared(name))
        .map(|(name, value)| format!("{}:{}", model::json::quote(name), value.json))
        .collect();
    row.push(Value::Text(format!("{{{}}}", extra.join(","))));
    row.push(Value::Timestamp(profile.first_seen));
    row.push(Value::Timestamp(profile.updated_at));
    row.push(number(profile.version.0));
    Upsert { table: PROFILES, key: vec![text(profile.id)], row: Some(row), offset }
}

/// Removal of a hidden profile's row.
pub(crate) fn no_profile(id: ProfileId, offset: Offset) -> Upsert {
    Upsert { table: PROFILES, key: vec![text(id)], row: None, offset }
}

fn identifiers_json(profile: &Profile) -> String {
    let types = profile.identifiers.iter().map(|(name, values)| {
        let values: Vec<String> = values.iter().map(|v| model::json::quote(v)).collect();
        format!("{}:[{}]", model::json::quote(name), values.join(","))
    });
    format!("{{{}}}", types.collect::<Vec<_>>().join(","))
}

/// A golden value as a column value. Identity has cast it to the trait's type already; what still
/// does not fit is null, and stays readable in `identities.traits`.
fn trait_value(json: &str, column_type: ColumnType) -> Value {
    let Ok(parsed) = Json::parse(json.as_bytes()) else { return Value::Null };
    let value = parsed.value;
    match (column_type, &value) {
        (_, Json::Null) => Value::Null,
        (ColumnType::Boolean, Json::Bool(value)) => Value::Boolean(*value),
        (ColumnType::Int64, _) => optional(value.as_i64(), Value::Int64),
        (ColumnType::Float64, _) => optional(value.as_f64(), Value::Float64),
        (ColumnType::Decimal { scale, .. }, Json::Number(text)) => {
            optional(decimal(text, scale), Value::Decimal)
        }
        (ColumnType::Date, Json::String(text)) => {
            optional(Timestamp::parse(text), |t| Value::Int64(t.as_micros().div_euclid(86_400_000_000)))
        }
        (ColumnType::Timestamp, Json::String(text)) => optional(Timestamp::parse(text), Value::Timestamp),
        (ColumnType::String | ColumnType::Uuid, Json::String(text)) => Value::Text(text.to_string()),
        (ColumnType::Json | ColumnType::Array, value) => Value::Text(value.to_text()),
        _ => Value::Null,
    }
}

/// The unscaled number of an exact decimal text; `None` if digits would be lost.
fn decimal(text: &str, scale: u8) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > usize::from(scale) || !whole.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let zeros = "0".repeat(usize::from(scale) - fraction.len());
    format!("{whole}{fraction}{zeros}").parse::<i128>().ok().map(|n| sign * n)
}

/// Row of `identity_map`; `to` closes it.
pub(crate) fn mapping(
    rid: &str,
    profile: ProfileId,
    from: Offset,
    to: Option<Offset>,
    offset: Offset,
) -> Upsert {
    Upsert {
        table: IDENTITY_MAP,
        key: vec![text(rid), number(from.0)],
        row: Some(vec![text(rid), text(profile), number(from.0), optional(to, |to| number(to.0))]),
        offset,
    }
}

/// Row of `profile_identifiers`, or its removal.
pub(crate) fn identifier(id: ProfileId, kind: &str, value: &str, present: bool, offset: Offset) -> Upsert {
    let key = vec![text(id), text(kind), text(value)];
    Upsert { table: PROFILE_IDENTIFIERS, row: present.then(|| key.clone()), key, offset }
}

/// One row of `profile_aliases`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alias {
    pub(crate) new: Option<ProfileId>,
    pub(crate) reason: String,
    pub(crate) from: Offset,
}

/// Row of `profile_aliases`; `to` closes it.
pub(crate) fn alias(old: ProfileId, alias: &Alias, to: Option<Offset>, offset: Offset) -> Upsert {
    Upsert {
        table: PROFILE_ALIASES,
        key: vec![text(old), number(alias.from.0)],
        row: Some(vec![
            text(old),
            optional(alias.new, text),
            text(&alias.reason),
            number(alias.from.0),
            optional(to, |to| number(to.0)),
        ]),
        offset,
    }
}

/// What happened to identity between two rows of `identity_versions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct VersionCounts {
    pub(crate) merges: u64,
    pub(crate) splits: u64,
}

pub(crate) fn version(at: Timestamp, profiles: usize, counts: VersionCounts, offset: Offset) -> Upsert {
    let version = number(offset.0);
    Upsert {
        table: IDENTITY_VERSIONS,
        key: vec![version.clone()],
        row: Some(vec![
            version.clone(),
            version,
            Value::Timestamp(at),
            number(profiles as u64),
            number(counts.merges),
            number(counts.splits),
        ]),
        offset,
    }
}

/// Rows of `audience_changes` and `audience_members` for one change.
pub(crate) fn change(change: &MembershipChange, offset: Offset, out: &mut Vec<Upsert>) {
    let version = number(u64::from(change.audience_version));
    let entered = change.change == model::ChangeKind::Entered;
    out.push(Upsert {
        table: AUDIENCE_CHANGES,
        key: vec![number(change.seq)],
        row: Some(vec![
            number(change.seq),
            text(&change.id),
            text(&change.audience),
            version.clone(),
            text(change.profile),
            text(change.change.as_str()),
            text(change.reason.as_str()),
            Value::Timestamp(change.at),
            Value::Timestamp(change.computed_at),
            number(change.profile_seq),
            optional(change.leaves_at, Value::Timestamp),
            optional(change.cause.as_ref(), |cause| text(&cause.message_id)),
            optional(change.merged_into, text),
        ]),
        offset,
    });
    out.push(Upsert {
        table: AUDIENCE_MEMBERS,
        key: vec![text(&change.audience), text(change.profile)],
        row: entered.then(|| {
            vec![
                text(&change.audience),
                text(change.profile),
                version,
                Value::Timestamp(change.at),
                optional(change.leaves_at, Value::Timestamp),
            ]
        }),
        offset,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_or_absent() {
        assert_eq!(decimal("12.5", 2), Some(1250));
        assert_eq!(decimal("-0.01", 2), Some(-1));
        assert_eq!(decimal("3", 0), Some(3));
        assert_eq!(decimal("1.230", 2), Some(123));
        assert_eq!(decimal("1.234", 2), None);
        assert_eq!(decimal("1e3", 2), None);
    }

    #[test]
    fn golden_values_take_the_trait_s_type() {
        assert_eq!(trait_value("\"DE\"", ColumnType::String), Value::Text("DE".into()));
        assert_eq!(trait_value("[\"a\",1]", ColumnType::Array), Value::Text("[\"a\",1]".into()));
        assert_eq!(trait_value("12", ColumnType::Int64), Value::Int64(12));
        assert_eq!(trait_value("\"1970-01-02\"", ColumnType::Date), Value::Int64(1));
        assert_eq!(trait_value("true", ColumnType::Int64), Value::Null);
    }

    #[test]
    fn every_table_has_a_spec_whose_key_is_part_of_it() {
        let specs = table_specs(&ProfileRules::default());
        let names: Vec<_> = specs.iter().map(|s| s.name).collect();
        assert_eq!(names, ALL);
        for spec in &specs {
            assert!(spec.key.iter().all(|k| spec.columns.iter().any(|c| c.name == *k)), "{}", spec.name);
        }
    }
}
