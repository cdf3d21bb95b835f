//! What an order names: `-revenue`, `metric_time`, `TimeDimension('metric_time', 'day').descending(True)`.

use crate::OrderBy;

/// Reads one item of `order_by`.
pub(super) fn parse(text: &str) -> OrderBy {
    let text = text.trim();
    let (text, mut descending) = match text.strip_prefix('-') {
        Some(rest) => (rest.trim_start(), true),
        None => (text, false),
    };
    let mut name = text;
    if let Some((head, argument)) = last_call(text, "descending") {
        let argument = argument.trim();
        if argument.is_empty() || argument.eq_ignore_ascii_case("true") {
            (name, descending) = (head, true);
        } else if argument.eq_ignore_ascii_case("false") {
            name = head;
        }
    }
    let metric = name.trim().strip_prefix("Metric").and_then(|rest| {
        let inner = rest.trim().strip_prefix('(')?.strip_suffix(')')?.trim();
        let quote = inner.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        inner.strip_prefix(quote)?.strip_suffix(quote)
    });
    OrderBy { name: metric.map_or_else(|| name.trim().to_owned(), str::to_lowercase), descending }
}

/// `x.method(argument)` as `x` and `argument`.
fn last_call<'a>(text: &'a str, method: &str) -> Option<(&'a str, &'a str)> {
    let (head, argument) = text.strip_suffix(')')?.rsplit_once('(')?;
    let head = head.trim_end().strip_suffix(method)?.trim_end().strip_suffix('.')?;
    Some((head, argument))
}

/// The group-by an order means; `metric_time` means the one of whatever grain was asked for.
pub(super) fn matching<'a>(order: &str, mut group_by: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = key(order);
    group_by.find(|text| {
        let key = key(text);
        key == wanted || (wanted == "metric_time" && key.starts_with("metric_time__"))
    })
}

/// One text for all spellings of a name: `TimeDimension('metric_time', "day")` is `metric_time__day`.
fn key(text: &str) -> String {
    let plain: String = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| if c == '"' { '\'' } else { c.to_ascii_lowercase() })
        .collect();
    let (head, grain) = match last_call(&plain, "grain") {
        Some((head, argument)) => (head, Some(argument.trim_matches('\''))),
        None => (plain.as_str(), None),
    };
    let inner = ["timedimension('", "dimension('", "entity('"]
        .iter()
        .find_map(|call| head.strip_prefix(call)?.strip_suffix("')"));
    let Some(inner) = inner else { return plain };
    match (inner.split_once("','"), grain) {
        (Some((name, grain)), None) if !grain.contains('\'') => format!("{name}__{grain}"),
        (None, Some(grain)) => format!("{inner}__{grain}"),
        (None, None) => inner.to_owned(),
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_in_all_spellings() {
        let check = |text: &str, name: &str, descending: bool| {
            assert_eq!(parse(text), OrderBy { name: name.to_owned(), descending }, "{text}");
        };
        check("-revenue", "revenue", true);
        check("metric_time", "metric_time", false);
        check("Metric('Revenue').descending(True)", "revenue", true);
        check("Metric(\"revenue\")", "revenue", false);
        check("Dimension('a__b').descending( False )", "Dimension('a__b')", false);
    }

    #[test]
    fn an_order_finds_its_group_by() {
        let group_by = ["TimeDimension('metric_time', 'day')", "listing__country", "Entity('user')"];
        let check = |order: &str, found: Option<&str>| {
            assert_eq!(matching(order, group_by.into_iter()), found, "{order}");
        };
        check("metric_time", Some(group_by[0]));
        check("metric_time__day", Some(group_by[0]));
        check("TimeDimension(\"metric_time\").grain('DAY')", Some(group_by[0]));
        check("metric_time__month", None);
        check("Dimension('listing__country')", Some(group_by[1]));
        check("user", Some(group_by[2]));
    }
}
