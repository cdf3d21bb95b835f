use super::{
    compile::{AskedGroup, OutputColumn},
    planner::Planner,
};
use crate::{ColumnKind, Grain, MetricQuery, names};

/// Each item of the order equals exactly one requested item (Q15).
pub(super) fn order(
    planner: &mut Planner<'_>,
    query: &MetricQuery,
    asked: &[AskedGroup],
    columns: &[OutputColumn],
) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for item in &query.order_by {
        let name = item.name.trim().to_lowercase();
        let (name, descending) = match name.strip_prefix('-') {
            Some(rest) => (rest.to_owned(), !item.descending),
            None => (name, item.descending),
        };
        let matches = matching(planner, &name, asked, columns);
        match matches.as_slice() {
            [one] => found.push(((*one).to_owned(), descending)),
            [] => {
                let close = names::closest(&name, columns.iter().map(|c| c.name.as_str()));
                let message = format!("order_by '{}' is not in the metrics or group_by", item.name);
                planner.fault("bad_order_by", message, close);
            }
            many => {
                let message = format!("order_by '{}' is ambiguous: {}", item.name, many.join(", "));
                planner.fault("bad_order_by", message, None);
            }
        }
    }
    found
}

fn matching<'c>(
    planner: &Planner<'_>,
    name: &str,
    asked: &[AskedGroup],
    columns: &'c [OutputColumn],
) -> Vec<&'c str> {
    let exact: Vec<&str> =
        columns.iter().map(|c| c.name.as_str()).filter(|n| n.eq_ignore_ascii_case(name)).collect();
    if !exact.is_empty() {
        return exact;
    }
    let custom = |grain: &str| planner.catalog.graph.custom_grain(grain).is_some();
    // An object, or a name with its grain left out.
    let written = super::names::Asked::parse(name, &custom).ok();
    let wanted = written.map(|asked| {
        let suffix = match (&asked.grain, asked.part) {
            (_, Some(part)) => format!("__extract_{}", part.as_str()),
            (Some(grain), None) => format!("__{grain}"),
            (None, None) => String::new(),
        };
        asked.joined() + &suffix
    });
    let stem = |column: &'c str| {
        let (stem, last) = column.rsplit_once("__")?;
        let grain = Grain::parse(last).is_some() || custom(last) || last.starts_with("extract_");
        grain.then_some(stem)
    };
    let groups = columns.iter().filter(|c| c.kind == ColumnKind::Dimension).enumerate();
    let fits = |(i, column): &(usize, &'c OutputColumn)| {
        let same = |name: &str| {
            column.name == name
                || stem(&column.name) == Some(name)
                || column.name.ends_with(&format!("__{name}"))
        };
        asked.get(*i).is_some_and(|a| a.text().eq_ignore_ascii_case(name))
            || wanted.as_deref().is_some_and(same)
    };
    groups.filter(fits).map(|(_, c)| c.name.as_str()).collect()
}
