use std::fmt::Write as _;

use semantic::{Catalog, Loaded, MetricQuery, OrderBy, SourceFile, compile, load};

pub(crate) const SHOP: &str = include_str!("../../../examples/metrics.yaml");

pub(crate) fn read(files: &[(&str, &str)]) -> Loaded {
    let files: Vec<SourceFile> = files
        .iter()
        .map(|(name, text)| SourceFile { name: (*name).into(), text: (*text).to_owned() })
        .collect();
    load(&files, &|name| (name == "SET").then(|| "from the environment".to_owned()))
}

pub(crate) fn shown(loaded: &Loaded) -> String {
    loaded.diagnostics.iter().fold(String::new(), |mut out, d| {
        let _ = writeln!(out, "{d} [{}]", d.code);
        out
    })
}

pub(crate) fn catalog(yaml: &str) -> Catalog {
    let loaded = read(&[("shop.yaml", yaml)]);
    loaded.catalog.clone().unwrap_or_else(|| panic!("{}", shown(&loaded)))
}

/// `metrics | group_by | filters | order_by`, each by commas; filters by `;`.
pub(crate) fn query(text: &str) -> MetricQuery {
    let mut parts = text.split('|').map(str::trim);
    let mut list = |by: char| -> Vec<String> {
        let part = parts.next().unwrap_or_default();
        part.split(by).map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
    };
    let (metrics, group_by, filters, order) = (list(','), list(','), list(';'), list(','));
    let order_by = order
        .into_iter()
        .map(|name| match name.strip_prefix('-') {
            Some(rest) => OrderBy { name: rest.to_owned(), descending: true },
            None => OrderBy { name, descending: false },
        })
        .collect();
    let metrics = metrics.into_iter().map(Into::into).collect();
    let group_by = group_by.into_iter().map(Into::into).collect();
    MetricQuery { metrics, group_by, filters, order_by, ..MetricQuery::default() }
}

/// The SQL, or all refusals, one a line.
pub(crate) fn answer(catalog: &Catalog, query: &MetricQuery) -> String {
    match compile(catalog, query) {
        Ok(compiled) => compiled.sql,
        Err(faults) => faults.iter().map(|f| format!("{f} [{}]", f.code)).collect::<Vec<_>>().join("\n"),
    }
}
