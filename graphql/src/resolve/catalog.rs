use async_graphql::{Value, dynamic::ResolverContext};
use engine::{Cursor, DimensionKind, Grain, Metric};

use super::{deps, parent_text};
use crate::{
    Error, input,
    value::{list, object, page_info},
};

const MOST: usize = 1_000;

pub(super) fn metrics(ctx: &ResolverContext<'_>) -> Result<Value, Error> {
    let catalog = deps(ctx).engine.catalog();
    let search = input::text(&ctx.args, "search")?.map(str::to_lowercase);
    let after = input::after(&ctx.args, Cursor::name)?;
    let first = input::first(&ctx.args, MOST)?;
    let mut found: Vec<&Metric> =
        catalog.public_metrics().filter(|m| speaks_of(m, search.as_deref())).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let rest = found.into_iter().filter(|m| after.as_ref().is_none_or(|after| m.name > *after));
    let mut page: Vec<&Metric> = rest.take(first + 1).collect();
    let more = page.len() > first;
    page.truncate(first);
    let end = page.last().map(|metric| Cursor::Name(metric.name.clone()));
    Ok(object([("nodes", list(page.into_iter().map(metric))), ("pageInfo", page_info(more, end))]))
}

fn speaks_of(metric: &Metric, search: Option<&str>) -> bool {
    let texts = [Some(&metric.name), Some(&metric.label), metric.description.as_ref()];
    search.is_none_or(|search| texts.into_iter().flatten().any(|text| text.to_lowercase().contains(search)))
}

fn metric(metric: &Metric) -> Value {
    let kind = metric.kind.as_str();
    object([
        ("name", metric.name.as_str().into()),
        ("label", metric.label.as_str().into()),
        ("description", metric.description.clone().into()),
        ("kind", kind.into()),
    ])
}

pub(super) fn dimensions_of_metric(ctx: &ResolverContext<'_>) -> Result<Value, Error> {
    Ok(dimension_list(ctx, &[parent_text(ctx, "name")], None))
}

pub(super) fn dimensions(ctx: &ResolverContext<'_>) -> Result<Value, Error> {
    let metrics = input::texts(&ctx.args, "metrics")?;
    let search = input::text(&ctx.args, "search")?.map(str::to_lowercase);
    if let Some(name) = metrics.iter().find(|name| deps(ctx).engine.catalog().metric(name).is_none()) {
        return Err(Error::NotFound { what: "metric", name: name.clone() });
    }
    Ok(dimension_list(ctx, &metrics, search.as_deref()))
}

fn dimension_list(ctx: &ResolverContext<'_>, metrics: &[String], search: Option<&str>) -> Value {
    let found = deps(ctx).engine.catalog().dimensions(metrics);
    let found =
        found.into_iter().filter(|d| search.is_none_or(|s| d.qualified_name.to_lowercase().contains(s)));
    list(found.map(|dimension| {
        let (kind, finest) = match dimension.kind {
            DimensionKind::Categorical => ("categorical", None),
            DimensionKind::Time(grain) => ("time", Some(grain)),
        };
        let grains = Grain::ALL.into_iter().filter(|grain| finest.is_some_and(|finest| *grain >= finest));
        object([
            ("qualifiedName", dimension.qualified_name.into()),
            ("type", kind.into()),
            ("description", dimension.description.into()),
            ("grains", list(grains.map(|grain| grain.as_str().into()))),
        ])
    }))
}
