use std::collections::HashMap;

use model::{ColumnType, Span, naming};

use super::{
    fields::{Fields, duplicate},
    merge::Document,
    tracking_plan,
};
use crate::{MergeRule, Otherwise, ProfileRules, TraitRule, names, report::Report, yaml::Node};

/// Columns of the table `profiles` that no trait can take.
const COLUMNS: [&str; 6] = ["profile_id", "anchor", "records", "first_seen", "updated_at", "version"];

pub(super) fn read(document: &Document<'_>, report: &mut Report) -> ProfileRules {
    let mut traits = Vec::new();
    let mut seen: HashMap<String, Span> = HashMap::new();
    let mut columns: HashMap<String, String> = HashMap::new();
    for node in document.all("profile") {
        let Some(fields) = Fields::open(node, "profile", &["traits"], &[], report) else { continue };
        let Some(node) = fields.get("traits") else { continue };
        if node.members().is_empty() {
            report.error("bad_value", &node.span, "traits must be a mapping of names to rules");
        }
        for (key, value) in node.members() {
            let column = naming::column_name(&key.text);
            if let Some(first) = seen.get(&key.text) {
                duplicate("trait", &key.text, first, &key.span, report);
            } else if COLUMNS.contains(&column.as_str()) {
                let message = format!("'{}' is a column of every profile; choose another name", key.text);
                report.error("reserved_name", &key.span, message);
            } else if let Some(other) = columns.get(&column) {
                let message =
                    format!("traits '{}' and '{other}' would share the column '{column}'", key.text);
                report.error("duplicate_name", &key.span, message);
            }
            seen.entry(key.text.clone()).or_insert_with(|| key.span.clone());
            columns.entry(column).or_insert_with(|| key.text.clone());
            traits.extend(read_trait(&key.text, value, report));
        }
    }
    ProfileRules { traits }
}

fn read_trait(name: &str, node: &Node, report: &mut Report) -> Option<TraitRule> {
    let keys = ["type", "merge", "sources", "otherwise", "description"];
    let mut fields = Fields::open(node, "a trait", &keys, &[], report)?;
    let column_type = match fields.word("type", report) {
        None => ColumnType::Json,
        Some(text) => tracking_plan::read_type(text, report)?,
    };
    fields.word("description", report);
    let default = if column_type == ColumnType::Array { MergeRule::Union } else { MergeRule::Latest };
    let merge = read_merge(&mut fields, report).unwrap_or(default);
    let fits = match merge {
        MergeRule::Union => column_type == ColumnType::Array,
        MergeRule::Any | MergeRule::All => column_type == ColumnType::Boolean,
        MergeRule::Min | MergeRule::Max => {
            !matches!(column_type, ColumnType::Json | ColumnType::Array | ColumnType::Boolean)
        }
        MergeRule::Latest | MergeRule::First | MergeRule::MostFrequent => true,
    };
    if !fits && let Some((text, span)) = fields.word("merge", report) {
        report.error("bad_value", span, format!("merge '{text}' does not fit the type {column_type}"));
    }
    let sources: Vec<(String, Span)> = fields.texts("sources", report);
    for (source, span) in sources.iter().filter(|(source, _)| !names::is_plain_name(source)) {
        report.error("bad_name", span, format!("'{source}' is not the name of a source"));
    }
    let choices = [("others", Otherwise::Others), ("none", Otherwise::None)];
    let otherwise = fields.choice("otherwise", &choices, report);
    if otherwise.is_some() && sources.is_empty() {
        report.error("bad_value", fields.place_of("otherwise"), "'otherwise' needs 'sources'");
    }
    Some(TraitRule {
        name: name.to_owned(),
        column_type,
        merge,
        sources: sources.into_iter().map(|(s, _)| s).collect(),
        otherwise: otherwise.unwrap_or_default(),
    })
}

fn read_merge(fields: &mut Fields<'_>, report: &mut Report) -> Option<MergeRule> {
    if let Some(("conflict_safe", span)) = fields.word("merge", report) {
        super::fields::unsupported("merge 'conflict_safe'", span, report);
        return None;
    }
    let choices = [
        ("latest", MergeRule::Latest),
        ("first", MergeRule::First),
        ("union", MergeRule::Union),
        ("min", MergeRule::Min),
        ("max", MergeRule::Max),
        ("any", MergeRule::Any),
        ("all", MergeRule::All),
        ("most_frequent", MergeRule::MostFrequent),
    ];
    fields.choice("merge", &choices, report)
}
