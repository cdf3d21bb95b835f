//! What only the whole catalog can tell, because it needs the joins: filters (V27), saved queries (V28),
//! metric views.

use std::collections::HashSet;

use model::Span;

use crate::{
    Catalog, MetricQuery, MetricRequest,
    load::{
        build,
        declared::{Declared, Kind, Metric, SavedQuery, Side, View},
        order,
    },
    names, query,
    report::Report,
};

pub(in crate::load) fn check_catalog(
    catalog: &Catalog,
    declared: &Declared,
    broken: &HashSet<String>,
    report: &mut Report,
) {
    for metric in declared.metrics.iter().filter(|m| !broken.contains(&m.name.value)) {
        filters(catalog, metric, report);
    }
    let names = Names::new(catalog, declared);
    for query in &declared.saved_queries {
        saved_query(catalog, &names, query, report);
    }
    for view in declared.views.iter().flatten() {
        metric_view(catalog, &names, view, report);
    }
}

/// V27: every filter resolves for every table it is applied to.
fn filters(catalog: &Catalog, metric: &Metric, report: &mut Report) {
    let of_side = |side: &Side| side.filters().to_vec();
    let of_inputs = match &metric.kind {
        Kind::Simple(_) => Vec::new(),
        Kind::Ratio { numerator, denominator } => {
            [numerator, denominator].iter().flat_map(|i| i.filters.clone()).collect()
        }
        Kind::Derived { inputs, .. } => inputs.iter().flat_map(|i| i.filters.clone()).collect(),
        Kind::Cumulative(c) => of_side(&c.input),
        Kind::Conversion(c) => [of_side(&c.base), of_side(&c.conversion)].concat(),
    };
    for filter in metric.filters.iter().chain(&of_inputs) {
        for fault in query::filter_faults(catalog, &metric.name.value, &filter.value) {
            report.suggest("bad_filter", &filter.span, fault.message, fault.suggestion);
        }
    }
}

/// V28.
fn saved_query(catalog: &Catalog, names: &Names<'_>, query: &SavedQuery, report: &mut Report) {
    let owner = format!("saved query '{}'", query.name.value);
    let known = known_metrics(names, &owner, &query.metrics, report);
    for text in &query.order_by {
        let order = order::parse(&text.value);
        let metric = query.metrics.iter().any(|m| m.value == order.name);
        if !metric && order::matching(&order.name, query.group_by.iter().map(|g| g.value.as_str())).is_none()
        {
            let message = format!("{owner}: order_by '{}' is not in its metrics or group_by", order.name);
            let asked = query.metrics.iter().chain(&query.group_by).map(|at| at.value.as_str());
            let close = names::closest(&order.name, asked);
            report.suggest("bad_saved_query", &text.span, message, close);
        }
    }
    if !known {
        return;
    }
    let built = build::saved_query(query);
    let request = |group_by, filters| MetricQuery {
        metrics: built.metrics.iter().map(|name| MetricRequest::named(name.as_str())).collect(),
        group_by,
        filters,
        ..MetricQuery::default()
    };
    // One by one, so that each fault has its place.
    let mut sound = true;
    for (text, at) in built.group_by.iter().zip(&query.group_by) {
        sound &=
            answered(catalog, &request(vec![text.as_str().into()], Vec::new()), &owner, &at.span, report);
    }
    if sound {
        let group_by: Vec<_> = built.group_by.iter().map(|text| text.as_str().into()).collect();
        for filter in &query.filters {
            let filters = vec![filter.value.clone()];
            answered(catalog, &request(group_by.clone(), filters), &owner, &filter.span, report);
        }
    }
}

/// Whether a query over these definitions compiles; what is wrong is reported at a place of the file.
fn answered(catalog: &Catalog, query: &MetricQuery, owner: &str, span: &Span, report: &mut Report) -> bool {
    let Err(faults) = query::compile(catalog, query) else { return true };
    let mut sound = true;
    for fault in faults {
        // A metric that needs time beside a group-by gets it from the other ones.
        let needs_time = fault.message.contains("group by metric_time");
        if !needs_time && fault.code != "unsupported" {
            sound = false;
            report.suggest("bad_saved_query", span, format!("{owner}: {}", fault.message), fault.suggestion);
        }
    }
    sound
}

fn known_metrics(
    names: &Names<'_>,
    owner: &str,
    metrics: &[crate::load::declared::At<String>],
    report: &mut Report,
) -> bool {
    let mut sound = true;
    for metric in metrics {
        let name = metric.value.as_str();
        if names.listed.contains(name) {
            continue;
        }
        sound = false;
        if !names.broken.contains(name) && !names.files {
            let message = format!("{owner}: metric '{name}' does not exist");
            let close = names::closest(name, names.listed.iter().copied());
            report.suggest("unknown_input", &metric.span, message, close);
        }
    }
    sound
}

/// Metrics that may be asked for, and those that have been reported already.
struct Names<'a> {
    listed: HashSet<&'a str>,
    broken: HashSet<&'a str>,
    /// A file could not be read: any name may be in it.
    files: bool,
}

impl<'a> Names<'a> {
    fn new(catalog: &'a Catalog, declared: &'a Declared) -> Self {
        let listed = catalog.metrics.iter().filter(|m| !m.private).map(|m| m.name.as_str());
        let public = declared.metrics.iter().filter(|m| !m.private).map(|m| m.name.value.as_str());
        Self {
            listed: listed.collect(),
            broken: public.chain(declared.refused.metrics.iter().map(String::as_str)).collect(),
            files: declared.refused.files,
        }
    }
}

fn metric_view(catalog: &Catalog, names: &Names<'_>, view: &View, report: &mut Report) {
    let owner = format!("metric view '{}'", view.name.value);
    if !known_metrics(names, &owner, &view.metrics, report) {
        return;
    }
    if view.dimensions.is_none() && view.filters.is_empty() {
        return;
    }
    let metrics: Vec<String> = view.metrics.iter().map(|m| m.value.clone()).collect();
    let common: Vec<String> = catalog.dimensions(&metrics).into_iter().map(|d| d.qualified_name).collect();
    let mut columns: HashSet<&str> = HashSet::new();
    for dimension in view.dimensions.iter().flatten() {
        let name = dimension.value.name.as_str();
        if !common.iter().any(|known| known == name) {
            let message = format!("{owner}: its metrics cannot be grouped by '{name}'");
            let close = names::closest(name, common.iter().map(String::as_str));
            report.suggest("bad_metric_view", &dimension.span, message, close);
        }
        let column = dimension.value.alias.as_deref().unwrap_or(name);
        if !columns.insert(column) || metrics.iter().any(|metric| metric == column) {
            let message = format!("{owner}: two columns would be called '{column}'; write as: ..");
            report.error("duplicate_name", &dimension.span, message);
        }
    }
    for filter in &view.filters {
        let query = MetricQuery {
            metrics: metrics.iter().map(|name| MetricRequest::named(name.as_str())).collect(),
            group_by: common.iter().filter(|d| *d == "metric_time").map(|d| d.as_str().into()).collect(),
            filters: vec![filter.value.clone()],
            ..MetricQuery::default()
        };
        answered(catalog, &query, &owner, &filter.span, report);
    }
}
