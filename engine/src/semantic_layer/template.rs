//! What a template asks for.

use model::Diagnostic;
use semantic::{MetricQuery, MetricRequest};

use super::{
    arguments::{Arguments, diagnostic},
    call::Call,
    item::Item,
};
use crate::error::closest;

/// A template that is understood.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Template {
    /// `query(..)`; with `compile` its SQL instead of its rows.
    Query { query: MetricQuery, compile: bool },
    /// `dimension_values(..)`.
    Values { metrics: Vec<String>, group_by: String },
    /// One of the listings.
    Listing(Listing),
}

/// A listing of what there is, or a page of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) kind: ListingKind,
    /// Only what speaks of this.
    pub(super) search: Option<String>,
    /// Rows before the page, and rows of the page.
    pub(super) page: Option<(u64, u64)>,
}

/// What is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ListingKind {
    Metrics,
    Dimensions(Vec<String>),
    Entities(Vec<String>),
    Measures(Vec<String>),
    QueryableGranularities(Vec<String>),
    MetricsForDimensions(Vec<String>),
    SavedQueries,
}

const NAMES: [&str; 9] = [
    "query",
    "dimension_values",
    "metrics",
    "dimensions",
    "entities",
    "measures",
    "queryable_granularities",
    "metrics_for_dimensions",
    "saved_queries",
];

impl Template {
    /// Understands a call, or says everything that is wrong with it.
    pub(super) fn read(call: Call) -> Result<Self, Vec<Diagnostic>> {
        match call.name.as_str() {
            "query" => query(call),
            "dimension_values" => values(call),
            "metrics" => listing(call, &["search", "page_size", "page_number"], |_| ListingKind::Metrics),
            "saved_queries" => listing(call, &["page_size", "page_number"], |_| ListingKind::SavedQueries),
            "dimensions" => of_metrics(call, ListingKind::Dimensions),
            "entities" => of_metrics(call, ListingKind::Entities),
            "measures" => of_metrics(call, ListingKind::Measures),
            "queryable_granularities" => of_metrics(call, ListingKind::QueryableGranularities),
            "metrics_for_dimensions" => {
                listing(call, &["group_by", "search", "page_size", "page_number"], |arguments| {
                    let items = arguments.items("group_by");
                    let names =
                        items.into_iter().filter_map(|item| name(arguments, item)).collect::<Vec<_>>();
                    if names.is_empty() {
                        arguments.fault("group_by names at least one dimension");
                    }
                    ListingKind::MetricsForDimensions(names)
                })
            }
            unknown => {
                let message = format!("unknown template 'semantic_layer.{unknown}'");
                let suggestion = closest(unknown, NAMES).map(str::to_owned);
                Err(vec![diagnostic("unknown_template", message, suggestion)])
            }
        }
    }
}

fn query(call: Call) -> Result<Template, Vec<Diagnostic>> {
    const KNOWN: &[&str] = &[
        "metrics",
        "group_by",
        "where",
        "order_by",
        "limit",
        "saved_query",
        "read_cache",
        "compile",
        "explain",
    ];
    let mut arguments = Arguments::new(call, KNOWN);
    let metrics: Vec<MetricRequest> =
        metric_names(&mut arguments).into_iter().map(MetricRequest::named).collect();
    let group_by = arguments.items("group_by");
    let saved_query = arguments.text("saved_query");
    if saved_query.is_some() && !(metrics.is_empty() && group_by.is_empty()) {
        arguments.fault("saved_query brings its own metrics and group_by: give either");
    }
    let query = MetricQuery {
        metrics,
        group_by: group_bys(&mut arguments, group_by),
        filters: arguments.texts("where"),
        order_by: arguments.items("order_by").into_iter().map(Item::order_by).collect(),
        limit: arguments.number("limit", 0),
        saved_query,
        ..MetricQuery::default()
    };
    // Answers never depend on whether a cache was asked, so this only has to be understood.
    arguments.flag("read_cache");
    let compile = [arguments.flag("compile"), arguments.flag("explain")].contains(&Some(true));
    arguments.finish()?;
    Ok(Template::Query { query, compile })
}

/// A metric is a name or `Metric('name')`.
fn metric_names(arguments: &mut Arguments) -> Vec<String> {
    let items = arguments.items("metrics");
    items.into_iter().filter_map(|item| metric(arguments, item)).collect()
}

fn metric(arguments: &mut Arguments, item: Item) -> Option<String> {
    match item {
        Item::Text(name) | Item::Metric { name, descending: false } => Some(name),
        Item::Metric { name, .. } => {
            arguments.fault(format!("metrics: '{name}': descending belongs in order_by"));
            None
        }
        Item::GroupBy { name, .. } => {
            arguments.fault(format!("metrics: '{name}' is a dimension; it belongs in group_by"));
            None
        }
    }
}

fn group_bys(arguments: &mut Arguments, items: Vec<Item>) -> Vec<semantic::GroupBy> {
    let mut found = Vec::new();
    for item in items {
        match item.group_by() {
            Ok(group_by) => found.push(group_by),
            Err(message) => arguments.fault(format!("group_by: {message}")),
        }
    }
    found
}

fn name(arguments: &mut Arguments, item: Item) -> Option<String> {
    group_bys(arguments, vec![item]).first().map(|group_by| group_by.text().to_owned())
}

fn values(call: Call) -> Result<Template, Vec<Diagnostic>> {
    let mut arguments = Arguments::new(call, &["metrics", "group_by"]);
    let metrics = metric_names(&mut arguments);
    let mut items = arguments.items("group_by");
    if items.len() != 1 {
        arguments.fault(format!("dimension_values needs exactly one group_by, {} are given", items.len()));
    }
    let group_by = items.pop().and_then(|item| name(&mut arguments, item)).unwrap_or_default();
    arguments.finish()?;
    Ok(Template::Values { metrics, group_by })
}

fn of_metrics(
    call: Call,
    kind: impl FnOnce(Vec<String>) -> ListingKind,
) -> Result<Template, Vec<Diagnostic>> {
    listing(call, &["metrics", "search", "page_size", "page_number"], |arguments| {
        kind(metric_names(arguments))
    })
}

fn listing(
    call: Call,
    known: &'static [&'static str],
    kind: impl FnOnce(&mut Arguments) -> ListingKind,
) -> Result<Template, Vec<Diagnostic>> {
    let mut arguments = Arguments::new(call, known);
    let kind = kind(&mut arguments);
    let search = arguments.text("search").map(|text| text.to_lowercase());
    let size = arguments.number("page_size", 1);
    let number = arguments.number("page_number", 1);
    if number.is_some() && size.is_none() {
        arguments.fault("page_number needs page_size");
    }
    arguments.finish()?;
    let page = size.map(|size| (size.saturating_mul(number.unwrap_or(1) - 1), size));
    Ok(Template::Listing(Listing { kind, search, page }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantic_layer::call;

    fn read(arguments: &str) -> Result<Template, Vec<String>> {
        let (call, _) = call::read(&format!("{{{{ semantic_layer.{arguments} }}}}"), 0).unwrap();
        Template::read(call).map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    fn asked(arguments: &str) -> MetricQuery {
        match read(arguments) {
            Ok(Template::Query { query, .. }) => query,
            other => panic!("{other:?}"),
        }
    }

    fn order(arguments: &str) -> Vec<(String, bool)> {
        asked(arguments).order_by.into_iter().map(|item| (item.name, item.descending)).collect()
    }

    fn groups(arguments: &str) -> Vec<String> {
        asked(arguments).group_by.iter().map(|item| item.text().to_owned()).collect()
    }

    fn faults(arguments: &str, expect: &[&str]) {
        assert_eq!(read(arguments).unwrap_err(), expect, "{arguments}");
    }

    #[test]
    fn group_bys_are_names_or_objects() {
        assert_eq!(
            groups(
                r#"query(group_by=["metric_time", TimeDimension("metric_time", "MONTH"), TimeDimension("t", "None"),
                    Dimension("a__b").grain("week"), Entity("e", ["x"]), Dimension('t', entity_path=['x', 'y']).date_part('YEAR')])"#
            ),
            [
                "metric_time",
                "metric_time__month",
                "t",
                "a__b__week",
                "x__e",
                "Dimension('x__y__t').date_part('year')"
            ]
        );
        assert_eq!(groups("query(group_by='a__b', metrics='m')"), ["a__b"]);
    }

    #[test]
    fn orders_are_signed_names_or_objects() {
        let text = r#"query(order_by=["-a", "+b", "c", Metric("m").descending(True), Metric("n"),
            Dimension("metric_time").grain("day").descending(True), TimeDimension("t", "month").descending(False)])"#;
        let order = order(text);
        let shown: Vec<String> =
            order.iter().map(|(n, d)| format!("{}{n}", if *d { "-" } else { "" })).collect();
        assert_eq!(shown, ["-a", "b", "c", "-m", "n", "-metric_time__day", "t__month"]);
    }

    #[test]
    fn the_rest_of_a_query() {
        let query = asked("query(metrics=['m', Metric('n')], where='a', limit=3, read_cache=False)");
        assert_eq!(query.metrics, ["m".into(), "n".into()]);
        assert_eq!((query.filters.as_slice(), query.limit), (&["a".to_owned()][..], Some(3)));
        let compiled = |text| matches!(read(text), Ok(Template::Query { compile: true, .. }));
        assert!(compiled("query(metrics=['m'], compile=True)"));
        assert!(compiled("query(metrics=['m'], explain=True)"));
        assert!(!compiled("query(metrics=['m'], compile=False)"));
        assert_eq!(asked("query(saved_query='q', where=None)").saved_query.as_deref(), Some("q"));
    }

    #[test]
    fn pages_start_at_one() {
        let page = |text| match read(text) {
            Ok(Template::Listing(listing)) => listing.page,
            other => panic!("{other:?}"),
        };
        assert_eq!(page("metrics()"), None);
        assert_eq!(page("metrics(page_size=10)"), Some((0, 10)));
        assert_eq!(page("dimensions(metrics=['m'], page_size=10, page_number=3)"), Some((20, 10)));
    }

    #[test]
    fn all_faults_are_named() {
        faults(
            "query(metrics=3, grup_by=['a'], limit=-1, where=True, compile='yes', limit=2)",
            &[
                "semantic_layer.query has no argument 'grup_by'; it has metrics, group_by, where, order_by, limit, saved_query, read_cache, compile, explain, did you mean 'group_by'?",
                "limit is given twice",
                "metrics: a name or an object such as Dimension('order__currency') expected, not a number",
                "where must be a text or a list of texts, not True or False",
                "limit is -1, must be at least 0",
                "compile must be True or False, not a text",
            ],
        );
        faults(
            "query(saved_query='q', metrics=['m'])",
            &["saved_query brings its own metrics and group_by: give either"],
        );
        faults("metric()", &["unknown template 'semantic_layer.metric', did you mean 'metrics'?"]);
        faults(
            "dimension_values(metrics=['m'])",
            &["dimension_values needs exactly one group_by, 0 are given"],
        );
        faults("metrics(page_number=2)", &["page_number needs page_size"]);
        faults("metrics(page_size=0)", &["page_size is 0, must be at least 1"]);
        faults(
            "saved_queries(search='x')",
            &["semantic_layer.saved_queries has no argument 'search'; it has page_size, page_number"],
        );
        faults(
            "query(metrics=[Dimension('a')], group_by=[Metric('m'), Dimension('x').descending(True), Dimension(\"a'b\"), Entity('e').grain('day'), Dimension(), TimeDimension('a', 'b', 'c', 'd', 'e', 'f'), Dimension('a', nme='b')])",
            &[
                "metrics: 'a' is a dimension; it belongs in group_by",
                "group_by: 'a'b' is not a name",
                "group_by: Entity has no method 'grain'",
                "group_by: Dimension needs name",
                "group_by: TimeDimension takes at most 5 arguments",
                "group_by: Dimension has no argument 'nme'; it has name, entity_path",
                "group_by: Metric('m') cannot be grouped by",
                "group_by: 'x': descending belongs in order_by",
            ],
        );
    }
}
