use std::{collections::HashMap, num::NonZeroU32, time::Duration};

use model::{RecordId, Span};

use super::{
    duration,
    fields::{Fields, duplicate},
    merge::Document,
    operator,
};
use crate::{
    Block, BlockTarget, IdentifierType, IdentityRules, Keep, LinkOrder, Normalizer, OnConflict, names,
    report::Report,
    yaml::{Node, NodeValue},
};

const KEYS: [&str; 6] = ["identifiers", "block", "must", "never", "default_blocks", "max_backdate"];
const TYPE_KEYS: [&str; 10] =
    ["name", "limit", "max_fanout", "normalize", "country", "from", "keep", "order", "on_conflict", "block"];
/// Groups are not persons: their ids must never join two of them.
const GROUP_IDS: [&str; 3] = ["group_id", "account_id", "company_id"];
const THIRTY_DAYS: Duration = Duration::from_secs(30 * 86_400);

pub(super) fn read(document: &Document<'_>, report: &mut Report) -> IdentityRules {
    let mut rules = IdentityRules {
        identifiers: Vec::new(),
        block: Vec::new(),
        must: Vec::new(),
        never: Vec::new(),
        default_blocks: true,
        max_backdate: THIRTY_DAYS,
    };
    let node = document.last("identity");
    if let Some(node) = node
        && let Some(mut fields) = Fields::open(node, "identity", &KEYS, &["anchor_by"], report)
    {
        read_types(&mut fields, &mut rules, report);
        for item in fields.list("block", report) {
            rules.block.extend(read_block(item, &rules.identifiers, report));
        }
        rules.must = pairs("must", &mut fields, report);
        rules.never = pairs("never", &mut fields, report);
        for (a, b) in &rules.must {
            if rules.never.iter().any(|(c, d)| (a, b) == (c, d) || (a, b) == (d, c)) {
                report.error(
                    "bad_directive",
                    fields.place_of("never"),
                    format!("'{a}' and '{b}' are in must and in never"),
                );
            }
        }
        rules.default_blocks = fields.boolean("default_blocks", true, report);
        if let Some((text, span)) = fields.word("max_backdate", report) {
            match duration::parse(text) {
                Some(duration) => rules.max_backdate = duration,
                None => report.error("bad_duration", span, format!("'{text}' is not a duration such as 30d")),
            }
        }
    }
    if rules.identifiers.is_empty() && node.is_none_or(|n| n.get("identifiers").is_none()) {
        rules.identifiers = defaults();
    }
    rules
}

/// What every SDK sends, so that a file without the block still joins a person's devices.
fn defaults() -> Vec<IdentifierType> {
    let plain = |name: &str| IdentifierType {
        name: name.to_owned(),
        limit: None,
        max_fanout: None,
        normalize: Vec::new(),
        from: Vec::new(),
        keep: Keep::default(),
        order: LinkOrder::default(),
        on_conflict: OnConflict::default(),
    };
    vec![
        IdentifierType { limit: NonZeroU32::new(1), ..plain("user_id") },
        IdentifierType { max_fanout: NonZeroU32::new(50), ..plain("anonymous_id") },
    ]
}

fn read_types(fields: &mut Fields<'_>, rules: &mut IdentityRules, report: &mut Report) {
    let mut seen: HashMap<String, Span> = HashMap::new();
    for (i, item) in fields.list("identifiers", report).iter().enumerate() {
        let Some((identifier, span, block)) = read_type(item, report) else { continue };
        if let Some(first) = seen.get(&identifier.name) {
            duplicate("identifier", &identifier.name, first, &span, report);
        }
        if GROUP_IDS.contains(&identifier.name.as_str()) {
            let message = format!("'{}' identifies a group, not a person", identifier.name);
            report.error("group_identifier", &span, message);
        }
        lint(i, &identifier, &span, report);
        seen.entry(identifier.name.clone()).or_insert(span);
        rules.block.extend(block);
        rules.identifiers.push(identifier);
    }
}

fn lint(position: usize, identifier: &IdentifierType, span: &Span, report: &mut Report) {
    let one = identifier.limit.is_some_and(|l| l.get() == 1);
    if position == 0 && !one {
        let message =
            format!("the first identifier '{}' should have limit: 1, it is the strongest", identifier.name);
        report.warn("weak_identifier", span, message, None);
    }
    if position > 0 && identifier.limit.is_none() && identifier.max_fanout.is_none() {
        let message = format!(
            "identifier '{}' has neither limit nor max_fanout: one shared value joins everybody",
            identifier.name
        );
        report.warn("weak_identifier", span, message, None);
    }
    if one && identifier.max_fanout.is_some() {
        let message = format!(
            "identifier '{}' has limit: 1 and max_fanout: a suspended value would let two records with different \
             values meet; remove one",
            identifier.name
        );
        report.error("bad_identifier", span, message);
    }
}

fn read_type(node: &Node, report: &mut Report) -> Option<(IdentifierType, Span, Vec<Block>)> {
    let bare;
    let node = match node.text() {
        None => node,
        Some(_) => {
            let key = crate::yaml::Key { text: "name".to_owned(), span: node.span.clone() };
            bare = Node { span: node.span.clone(), value: NodeValue::Map(vec![(key, node.clone())]) };
            &bare
        }
    };
    let mut fields = Fields::open(node, "an identifier", &TYPE_KEYS, &[], report)?;
    let name = fields.required("name", report).map(|(n, s)| (n.to_owned(), s.clone()));
    if let Some((name, span)) = name.as_ref().filter(|(name, _)| !names::is_plain_name(name)) {
        report.error("bad_name", span, format!("'{name}' is not a valid name: use lower case letters, digits and single underscores, start with a letter"));
    }
    let mut count = |key: &str, report: &mut Report| {
        fields.whole(key, 1, report).and_then(|n| NonZeroU32::new(u32::try_from(n).unwrap_or(u32::MAX)))
    };
    let (limit, max_fanout) = (count("limit", report), count("max_fanout", report));
    let normalize = normalizers(&mut fields, report);
    let from = fields.texts("from", report).into_iter().map(|(t, _)| t).collect();
    let keep = fields.choice("keep", &[("all", Keep::All), ("latest", Keep::Latest)], report);
    let orders = [("oldest_first", LinkOrder::OldestFirst), ("newest_first", LinkOrder::NewestFirst)];
    let order = fields.choice("order", &orders, report);
    let conflicts = [("reject", OnConflict::Reject), ("isolate", OnConflict::Isolate)];
    let on_conflict = fields.choice("on_conflict", &conflicts, report);
    let targets: Vec<BlockTarget> = match fields.get("block") {
        None => Vec::new(),
        Some(block) => block.one_or_many().iter().filter_map(|item| target(item, report)).collect(),
    };
    let (name, span) = name?;
    let block = targets.into_iter().map(|target| Block { identifier: Some(name.clone()), target }).collect();
    let identifier = IdentifierType {
        name,
        limit,
        max_fanout,
        normalize,
        from,
        keep: keep.unwrap_or_default(),
        order: order.unwrap_or_default(),
        on_conflict: on_conflict.unwrap_or_default(),
    };
    Some((identifier, span, block))
}

fn normalizers(fields: &mut Fields<'_>, report: &mut Report) -> Vec<Normalizer> {
    let country = fields.word("country", report);
    if let Some((text, span)) = country
        && (text.is_empty() || text.len() > 3 || !text.bytes().all(|b| b.is_ascii_digit()))
    {
        report.error("bad_value", span, "'country' is a calling code of 1 to 3 digits, such as 49");
    }
    let mut found = Vec::new();
    for item in fields.get("normalize").map_or(&[][..], Node::one_or_many) {
        found.extend(normalizer(item, country.map(|(c, _)| c), report));
    }
    if let Some((_, span)) = country
        && !found.iter().any(|n| matches!(n, Normalizer::Phone { .. }))
    {
        report.error("bad_value", span, "'country' belongs to normalize: phone");
    }
    found
}

fn normalizer(node: &Node, country: Option<&str>, report: &mut Report) -> Option<Normalizer> {
    if node.is_bad() {
        return None;
    }
    if let Some(replace) = node.get("replace") {
        Fields::open(node, "a normalizer", &["replace"], &[], report)?;
        let NodeValue::List(items) = &replace.value else {
            report.error("bad_value", &replace.span, "replace needs [pattern, text]");
            return None;
        };
        let [pattern, text] = items.as_slice() else {
            report.error("bad_value", &replace.span, "replace needs [pattern, text]");
            return None;
        };
        let (pattern, pattern_span) = (pattern.text()?, &pattern.span);
        if let Some(fault) = operator::pattern_fault(pattern) {
            report.error("bad_pattern", pattern_span, format!("not a usable regular expression: {fault}"));
            return None;
        }
        let text = text.text().unwrap_or_default().to_owned();
        return Some(Normalizer::Replace { pattern: pattern.to_owned(), text });
    }
    Some(match node.text() {
        Some("trim") => Normalizer::Trim,
        Some("lowercase") => Normalizer::Lowercase,
        Some("email") => Normalizer::Email,
        Some("digits") => Normalizer::Digits,
        Some("phone") => Normalizer::Phone { country: country.map(str::to_owned) },
        other => {
            let shown = other.unwrap_or("this");
            let message = format!(
                "'{shown}' is not a normalizer; use trim, lowercase, email, digits, phone or {{replace: [pattern, text]}}"
            );
            let close = names::closest(shown, ["trim", "lowercase", "email", "digits", "phone"]);
            report.suggest("bad_value", &node.span, message, close);
            return None;
        }
    })
}

/// A text, or `{pattern}`.
fn target(node: &Node, report: &mut Report) -> Option<BlockTarget> {
    if let Some(text) = node.text() {
        return Some(BlockTarget::Value(text.to_owned()));
    }
    let mut fields = Fields::open(node, "a blocked value", &["pattern"], &[], report)?;
    pattern(fields.required("pattern", report)?, report)
}

fn pattern((text, span): (&str, &Span), report: &mut Report) -> Option<BlockTarget> {
    match operator::pattern_fault(text) {
        None => Some(BlockTarget::Pattern(text.to_owned())),
        Some(fault) => {
            report.error("bad_pattern", span, format!("not a usable regular expression: {fault}"));
            None
        }
    }
}

/// `{record}`, `{type, value}` or `{type, pattern}`.
fn read_block(node: &Node, types: &[IdentifierType], report: &mut Report) -> Option<Block> {
    let mut fields =
        Fields::open(node, "a block", &["record", "type", "value", "pattern"], &["records"], report)?;
    let record = fields.word("record", report);
    let identifier = fields.word("type", report);
    let value = fields.word("value", report);
    let text = fields.word("pattern", report);
    if let Some((name, span)) = identifier.filter(|(name, _)| !types.iter().any(|t| t.name == *name)) {
        let close = names::closest(name, types.iter().map(|t| t.name.as_str()));
        report.suggest("unknown_identifier", span, format!("unknown identifier '{name}'"), close);
    }
    let targets = [record, value, text].iter().filter(|t| t.is_some()).count();
    if targets != 1 || (record.is_some() && identifier.is_some()) {
        report.error("bad_directive", fields.span(), "a block is {record}, {type, value} or {type, pattern}");
        return None;
    }
    let target = match (record, value, text) {
        (Some(record), _, _) => BlockTarget::Record(record_id(record, report)?),
        (_, Some((value, _)), _) => BlockTarget::Value(value.to_owned()),
        (_, _, found) => pattern(found?, report)?,
    };
    Some(Block { identifier: identifier.map(|(name, _)| name.to_owned()), target })
}

fn pairs(key: &str, fields: &mut Fields<'_>, report: &mut Report) -> Vec<(RecordId, RecordId)> {
    let mut found = Vec::new();
    for item in fields.list(key, report) {
        let NodeValue::List(pair) = &item.value else {
            report.error(
                "bad_directive",
                &item.span,
                format!("'{key}' is a list of pairs such as ['crm:17', 'web:user:u9']"),
            );
            continue;
        };
        let mut ids = pair.iter().filter_map(|n| n.text().map(|t| (t, &n.span)));
        match (ids.next(), ids.next(), pair.len()) {
            (Some(a), Some(b), 2) => {
                if a.0 == b.0 {
                    report.error("bad_directive", &item.span, format!("'{}' is paired with itself", a.0));
                }
                if let (Some(a), Some(b)) = (record_id(a, report), record_id(b, report)) {
                    found.push((a, b));
                }
            }
            _ => report.error("bad_directive", &item.span, format!("'{key}' needs two records a pair")),
        }
    }
    found
}

/// `source:key`.
fn record_id((text, span): (&str, &Span), report: &mut Report) -> Option<RecordId> {
    let fits = text.split_once(':').is_some_and(|(source, key)| {
        !key.is_empty()
            && source.starts_with(|c: char| c.is_ascii_lowercase())
            && source.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    });
    if !fits {
        report.error(
            "bad_directive",
            span,
            format!("'{text}' is not a record; write 'source:key', such as 'web:user:u9'"),
        );
    }
    fits.then(|| RecordId::from(text))
}
