use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use engine::{DimensionKind, Grain, Metric};
use model::json::quote;
use serde::Deserialize;

use super::{list, optional, shown};
use crate::{Deps, Error, router::Caller};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Search {
    search: Option<String>,
}

pub(crate) async fn metrics(
    State(deps): State<Deps>,
    _: Caller,
    query: Result<Query<Search>, QueryRejection>,
) -> Result<Response, Error> {
    let search = query?.0.search.map(|text| text.to_lowercase());
    let catalog = deps.engine.catalog();
    let speaks = |metric: &&Metric| {
        let texts = [Some(&metric.name), Some(&metric.label), metric.description.as_ref()];
        let mut texts = texts.into_iter().flatten();
        search.as_ref().is_none_or(|search| texts.any(|text| text.to_lowercase().contains(search)))
    };
    let items = catalog.public_metrics().filter(speaks).map(metric);
    Ok(shown(format!(r#"{{"metrics":[{}]}}"#, list(items))))
}

fn metric(metric: &Metric) -> String {
    let kind = metric.kind.as_str();
    format!(
        r#"{{"name":{},"label":{},"description":{},"kind":"{kind}"}}"#,
        quote(&metric.name),
        quote(&metric.label),
        optional(metric.description.as_deref()),
    )
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Of {
    /// Separated by commas.
    metrics: Option<String>,
}

pub(crate) async fn dimensions(
    State(deps): State<Deps>,
    _: Caller,
    query: Result<Query<Of>, QueryRejection>,
) -> Result<Response, Error> {
    let names = query?.0.metrics.unwrap_or_default();
    let names: Vec<String> =
        names.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    let catalog = deps.engine.catalog();
    if let Some(name) = names.iter().find(|name| catalog.metric(name).is_none()) {
        return Err(Error::NotFound { what: "metric", name: name.clone() });
    }
    let items = catalog.dimensions(&names).into_iter().map(|dimension| {
        let (kind, finest) = match dimension.kind {
            DimensionKind::Categorical => ("categorical", None),
            DimensionKind::Time(grain) => ("time", Some(grain)),
        };
        let grains = Grain::ALL.into_iter().filter(|grain| finest.is_some_and(|finest| *grain >= finest));
        format!(
            r#"{{"name":{},"type":"{kind}","description":{},"grains":[{}]}}"#,
            quote(&dimension.qualified_name),
            optional(dimension.description.as_deref()),
            list(grains.map(|grain| quote(grain.as_str()))),
        )
    });
    Ok(shown(format!(r#"{{"dimensions":[{}]}}"#, list(items))))
}
