use std::collections::HashMap;

use model::{AudienceName, Span};

use super::{
    duration,
    fields::{Fields, duplicate, unsupported},
    filter,
    merge::Document,
    operator::{Place, comparisons},
};
use crate::{
    Audience, CallKind, CallSelector, Comparison, EventNames, Expr, Leaf, Literal, Operator, TrackingPlan,
    Window, describe, hash, names,
    report::Report,
    yaml::{Key, Node, NodeValue},
};

/// Deepest nesting of a condition.
pub(super) const MAX_DEPTH: usize = 8;
const MAX_LEAVES: usize = 64;

const KEYS: [&str; 7] = ["name", "label", "description", "owner", "tags", "meta", "where"];
const LATER: [&str; 7] = ["exit_when", "dwell", "anonymous", "timezone", "refresh", "backfill", "emit"];
const KINDS: [&str; 8] = ["all", "any", "not", "event", "page", "screen", "trait", "everyone"];
const LATER_KINDS: [&str; 8] =
    ["sequence", "absence", "metric", "audience", "consent", "bucket", "list", "score"];
const LATER_REDUCERS: [&str; 10] =
    ["sum", "avg", "min", "max", "first", "last", "unique", "active_days", "active_weeks", "active_months"];
const TABLES: [&str; 4] = ["members", "changes", "catalog", "overlap"];

pub(super) fn read(document: &Document<'_>, plan: &TrackingPlan, report: &mut Report) -> Vec<Audience> {
    let mut audiences = Vec::new();
    let mut seen: HashMap<String, Span> = HashMap::new();
    for node in document.items("audiences", report) {
        // A name counts as taken even where the rest of its audience is refused.
        if let Some(name) = node.get("name")
            && let Some(text) = name.text()
        {
            match seen.get(text) {
                Some(first) => duplicate("audience", text, first, &name.span, report),
                None => _ = seen.insert(text.to_owned(), name.span.clone()),
            }
        }
        audiences.extend(read_one(node, plan, report));
    }
    audiences
}

fn read_one(node: &Node, plan: &TrackingPlan, report: &mut Report) -> Option<Audience> {
    let mut fields = Fields::open(node, "an audience", &KEYS, &LATER, report)?;
    let name = fields.required("name", report);
    if let Some((name, span)) = name {
        if !names::is_plain_name(name) {
            let message = format!(
                "'{name}' is not a valid name: use lower case letters, digits and single underscores, start with a letter"
            );
            report.error("bad_name", span, message);
        } else if TABLES.contains(&name) {
            report.error(
                "reserved_name",
                span,
                format!("'{name}' is a table of the schema audiences; choose another name"),
            );
        }
    }
    let (label, description) = (fields.text("label", report), fields.text("description", report));
    fields.word("owner", report);
    fields.texts("tags", report);
    let mut reader = Reader { plan, report, leaves: 0 };
    let condition = fields.required_node("where", reader.report).and_then(|n| reader.expr(n, 1));
    if reader.leaves > MAX_LEAVES {
        let message = format!("{} leaves, at most {MAX_LEAVES} are allowed", reader.leaves);
        reader.report.error("too_many_leaves", fields.place_of("where"), message);
    }
    let (name, _) = name?;
    let condition = condition?;
    let hash = hash::of_text(&describe::canonical(&condition));
    Some(Audience { name: AudienceName::from(name), label, description, condition, hash })
}

struct Reader<'a> {
    plan: &'a TrackingPlan,
    report: &'a mut Report,
    leaves: usize,
}

impl Reader<'_> {
    fn expr(&mut self, node: &Node, depth: usize) -> Option<Expr> {
        let NodeValue::Map(members) = &node.value else {
            if !node.is_bad() {
                let message = format!(
                    "a condition must be a mapping such as {{event: Order Completed}}, not {}",
                    node.kind()
                );
                self.report.error("no_kind", &node.span, message);
            }
            return None;
        };
        if depth > MAX_DEPTH {
            self.report.error("too_deep", &node.span, format!("nested deeper than {MAX_DEPTH} levels"));
            return None;
        }
        let is_kind = |k: &Key| KINDS.contains(&k.text.as_str()) || LATER_KINDS.contains(&k.text.as_str());
        let kinds: Vec<_> = members.iter().filter(|(k, _)| is_kind(k)).collect();
        let [(key, value)] = kinds.as_slice() else {
            self.kind_fault(node, kinds.get(1).map(|(k, _)| k));
            return None;
        };
        match key.text.as_str() {
            "all" | "any" | "not" => self.group(node, key, value, depth),
            "event" => self.count(node, CallKind::Track, value),
            "page" => self.count(node, CallKind::Page, value),
            "screen" => self.count(node, CallKind::Screen, value),
            "trait" => self.golden(node, value),
            "everyone" => self.everyone(node, key, value),
            later => {
                unsupported(&format!("the condition '{later}'"), &key.span, self.report);
                None
            }
        }
    }

    fn kind_fault(&mut self, node: &Node, second: Option<&Key>) {
        match second {
            Some(key) => {
                let message = format!(
                    "a condition has one kind; '{}' is a second one, combine them with all or any",
                    key.text
                );
                self.report.error("many_kinds", &key.span, message);
            }
            None => {
                let close =
                    node.members().iter().find_map(|(k, _)| names::closest(&k.text, KINDS.iter().copied()));
                let message = "a condition needs one of event, page, screen, trait, everyone, all, any, not";
                self.report.suggest("no_kind", &node.span, message, close);
            }
        }
    }

    fn only(&mut self, node: &Node, known: &[&'static str], kind: &str) {
        for (key, _) in node.members() {
            if !known.contains(&key.text.as_str()) && key.text != kind {
                let close = names::closest(&key.text, known.iter().copied());
                self.report.suggest(
                    "unknown_key",
                    &key.span,
                    format!("unknown key '{}' beside '{kind}'", key.text),
                    close,
                );
            }
        }
    }

    fn group(&mut self, node: &Node, key: &Key, value: &Node, depth: usize) -> Option<Expr> {
        self.only(node, &[], &key.text);
        let items = value.one_or_many();
        if items.is_empty() || value.is_null() {
            self.report.error(
                "empty_group",
                &value.span,
                format!("'{}' needs at least one member", key.text),
            );
            return None;
        }
        let parts: Vec<Option<Expr>> = items.iter().map(|item| self.expr(item, depth + 1)).collect();
        let mut parts: Vec<Expr> = parts.into_iter().collect::<Option<_>>()?;
        Some(match key.text.as_str() {
            "all" => Expr::All(parts),
            "any" => Expr::Any(parts),
            _ if parts.len() == 1 => Expr::Not(Box::new(parts.remove(0))),
            _ => Expr::Not(Box::new(Expr::All(parts))),
        })
    }

    fn count(&mut self, node: &Node, kind: CallKind, value: &Node) -> Option<Expr> {
        self.leaves += 1;
        let word = match kind {
            CallKind::Track => "event",
            CallKind::Page => "page",
            CallKind::Screen => "screen",
        };
        let mut reducers = 0;
        for (key, _) in node.members() {
            let later = LATER_REDUCERS.contains(&key.text.as_str());
            reducers += usize::from(later || key.text == "count");
            if later {
                unsupported(&format!("the reducer '{}'", key.text), &key.span, self.report);
            } else if reducers > 1 && key.text == "count" {
                self.report.error("many_reducers", &key.span, "a leaf has one reducer");
            } else if !["filter", "window", "count", word].contains(&key.text.as_str()) {
                let close = names::closest(&key.text, ["filter", "window", "count"]);
                self.report.suggest(
                    "unknown_key",
                    &key.span,
                    format!("unknown key '{}' beside '{word}'", key.text),
                    close,
                );
            }
        }
        let names = self.names(value, word);
        let filter = node.get("filter").filter(|n| !n.is_null()).and_then(|n| filter::read(n, self.report));
        let window =
            node.get("window").filter(|n| !n.is_null()).map_or(Some(Window::Ever), |n| self.window(n));
        let count = match node.get("count").filter(|n| !n.is_null()) {
            None => {
                vec![Comparison { operator: Operator::Gte, operands: vec![Literal::Number("1".to_owned())] }]
            }
            Some(count) if matches!(count.value, NodeValue::Map(_)) => {
                comparisons(count, &[], Place::Count, self.report)
            }
            Some(count) => {
                if !count.is_bad() {
                    self.report.error(
                        "missing_operator",
                        &count.span,
                        "count needs an operator, such as {gte: 3}",
                    );
                }
                Vec::new()
            }
        };
        let selector = CallSelector { kind, names: names?, filter };
        if kind == CallKind::Track {
            self.know(&selector, value);
        }
        Some(Expr::Leaf(Leaf::Count { selector, window: window?, count }))
    }

    fn names(&mut self, value: &Node, word: &str) -> Option<EventNames> {
        if value.text() == Some("*") {
            return Some(EventNames::Any);
        }
        let items = value.one_or_many();
        let names: Option<Vec<String>> =
            items.iter().map(|n| n.text().filter(|t| !t.is_empty()).map(str::to_owned)).collect();
        match names {
            Some(names) if !names.is_empty() => Some(EventNames::OneOf(names)),
            _ => {
                if !value.is_bad() {
                    let message = format!("'{word}' needs a name, a list of names, or \"*\"");
                    self.report.error("bad_operand", &value.span, message);
                }
                None
            }
        }
    }

    /// Warns about events and properties that the tracking plan does not know.
    fn know(&mut self, selector: &CallSelector, place: &Node) {
        let EventNames::OneOf(names) = &selector.names else { return };
        if self.plan.events.is_empty() {
            return;
        }
        let mut planned = Vec::new();
        for name in names {
            match self.plan.event(name) {
                Some(event) => planned.push(event),
                None => {
                    let close = names::closest(name, self.plan.events.iter().map(|e| e.name.as_str()));
                    let message = format!("event '{name}' is not in the tracking plan");
                    self.report.warn("unknown_event", &place.span, message, close);
                }
            }
        }
        let mut paths = Vec::new();
        if let Some(filter) = &selector.filter {
            filter::properties(filter, &mut paths);
        }
        for path in paths.into_iter().filter(|p| !p.starts_with('$')) {
            let known = || planned.iter().flat_map(|e| e.properties.iter().map(|p| p.name.as_str()));
            let open = planned.len() < names.len() || planned.iter().any(|e| e.properties.is_empty());
            let within = |p: &str| path == p || path.starts_with(&format!("{p}."));
            if !open && !known().any(within) {
                let message = format!("property '{path}' is not in the tracking plan");
                self.report.warn("unknown_property", &place.span, message, names::closest(path, known()));
            }
        }
    }

    fn window(&mut self, node: &Node) -> Option<Window> {
        let NodeValue::Map(members) = &node.value else {
            if !node.is_bad() {
                self.report.error("bad_window", &node.span, "a window is a mapping such as {within: 7d}");
            }
            return None;
        };
        for (key, _) in members {
            match key.text.as_str() {
                "within" => {}
                later @ ("grain" | "between" | "since" | "until" | "session" | "calendar") => {
                    unsupported(&format!("'{later}' of a window"), &key.span, self.report);
                }
                other => {
                    let close = names::closest(other, ["within"]);
                    self.report.suggest(
                        "bad_window",
                        &key.span,
                        format!("unknown key '{other}' in a window"),
                        close,
                    );
                }
            }
        }
        let Some(within) = node.get("within") else {
            if members.is_empty() {
                self.report.error("bad_window", &node.span, "a window needs 'within'");
            }
            return None;
        };
        match within.text().and_then(duration::parse) {
            Some(duration) if !duration.is_zero() => Some(Window::Within(duration)),
            _ => {
                if !within.is_bad() {
                    let shown = within.text().unwrap_or("this");
                    let message = format!("'{shown}' is not a duration such as 90s, 1h30m or 7d");
                    self.report.error("bad_duration", &within.span, message);
                }
                None
            }
        }
    }

    fn golden(&mut self, node: &Node, value: &Node) -> Option<Expr> {
        self.leaves += 1;
        let path = value.text().filter(|p| !p.is_empty());
        if path.is_none() && !value.is_bad() {
            self.report.error("bad_operand", &value.span, "'trait' needs the name of a trait");
        }
        let comparisons = comparisons(node, &["trait"], Place::Trait, self.report);
        Some(Expr::Leaf(Leaf::Trait { path: path?.to_owned(), comparisons }))
    }

    fn everyone(&mut self, node: &Node, key: &Key, value: &Node) -> Option<Expr> {
        self.leaves += 1;
        self.only(node, &[], &key.text);
        if value.as_bool() != Some(true) {
            self.report.error(
                "bad_operand",
                &value.span,
                "write 'everyone: true'; for no one use {not: {everyone: true}}",
            );
        }
        Some(Expr::Leaf(Leaf::Everyone))
    }
}
