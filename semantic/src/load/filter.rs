use super::{
    fields::unsupported,
    operator::{Place, comparisons},
};
use crate::{
    Filter, FilterTarget,
    report::Report,
    yaml::{Node, NodeValue},
};

/// Reads `filter`: one predicate, or a list of them that must all hold.
pub(super) fn read(node: &Node, report: &mut Report) -> Option<Filter> {
    match &node.value {
        NodeValue::List(items) => {
            if items.is_empty() {
                report.error("empty_group", &node.span, "a filter list needs at least one predicate");
            }
            let mut filters: Vec<Filter> =
                items.iter().filter_map(|item| predicate(item, 0, report)).collect();
            if filters.len() == 1 { filters.pop() } else { Some(Filter::All(filters)) }
        }
        _ => predicate(node, 0, report),
    }
}

/// Paths of the properties a filter looks at.
pub(super) fn properties<'a>(filter: &'a Filter, found: &mut Vec<&'a str>) {
    match filter {
        Filter::All(parts) | Filter::Any(parts) => parts.iter().for_each(|f| properties(f, found)),
        Filter::Not(inner) => properties(inner, found),
        Filter::Compare { target: FilterTarget::Property(path), .. } => found.push(path),
        Filter::Compare { .. } => {}
    }
}

fn predicate(node: &Node, depth: usize, report: &mut Report) -> Option<Filter> {
    let NodeValue::Map(members) = &node.value else {
        if !node.is_bad() {
            let message =
                format!("a filter must be a mapping such as {{property: x, eq: y}}, not {}", node.kind());
            report.error("no_kind", &node.span, message);
        }
        return None;
    };
    if depth > super::audience::MAX_DEPTH {
        report.error(
            "too_deep",
            &node.span,
            format!("nested deeper than {} levels", super::audience::MAX_DEPTH),
        );
        return None;
    }
    let kinds: Vec<_> = members
        .iter()
        .filter(|(k, _)| matches!(k.text.as_str(), "all" | "any" | "not" | "property" | "context" | "trait"))
        .collect();
    let [(key, value)] = kinds.as_slice() else {
        match kinds.get(1) {
            Some((second, _)) => report.error(
                "many_kinds",
                &second.span,
                "a filter has one of all, any, not, property, context",
            ),
            None => {
                report.error("no_kind", &node.span, "a filter needs one of all, any, not, property, context")
            }
        }
        return None;
    };
    match key.text.as_str() {
        "trait" => {
            report.error(
                "trait_in_filter",
                &key.span,
                "a filter looks at one call only; compare traits in a trait leaf",
            );
            None
        }
        "property" | "context" => compare(node, key.text == "property", value, report),
        kind => {
            for (other, _) in members.iter().filter(|(k, _)| k.text != kind) {
                report.error(
                    "unknown_key",
                    &other.span,
                    format!("unknown key '{}' beside '{kind}'", other.text),
                );
            }
            group(kind, value, depth, report)
        }
    }
}

fn compare(node: &Node, property: bool, value: &Node, report: &mut Report) -> Option<Filter> {
    let Some(path) = value.text().filter(|p| !p.is_empty()) else {
        report.error("bad_operand", &value.span, "must be the path of a value, such as category or a.b");
        return None;
    };
    let elements = ["some", "every", "none"];
    if let Some((key, _)) = node.members().iter().find(|(k, _)| elements.contains(&k.text.as_str())) {
        unsupported(&format!("'{}' over the elements of an array", key.text), &key.span, report);
        return None;
    }
    let comparisons = comparisons(node, &["property", "context"], Place::Filter, report);
    let target = if property {
        FilterTarget::Property(path.to_owned())
    } else {
        FilterTarget::Context(path.to_owned())
    };
    Some(Filter::Compare { target, comparisons })
}

fn group(kind: &str, value: &Node, depth: usize, report: &mut Report) -> Option<Filter> {
    let items = value.one_or_many();
    if items.is_empty() {
        report.error("empty_group", &value.span, format!("'{kind}' needs at least one member"));
        return None;
    }
    let mut parts: Vec<Filter> = items.iter().filter_map(|item| predicate(item, depth + 1, report)).collect();
    match kind {
        "all" => Some(Filter::All(parts)),
        "any" => Some(Filter::Any(parts)),
        _ if parts.len() == 1 => parts.pop().map(|p| Filter::Not(Box::new(p))),
        // Several members of `not`: not all of them, as for conditions.
        _ => Some(Filter::Not(Box::new(Filter::All(parts)))),
    }
}
