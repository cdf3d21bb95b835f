use super::graph::{Item, Target, base_grain};
use crate::{Catalog, DimensionKind, Grain, QueryableDimension};

/// What these metrics can all be grouped by. Names are the shortest that resolve.
pub(crate) fn dimensions(catalog: &Catalog, metrics: &[String]) -> Vec<QueryableDimension> {
    let mut leaves = Vec::new();
    for name in metrics {
        let Some(index) = catalog.graph.metric(&name.to_lowercase()) else { return Vec::new() };
        super::leaves::leaves(catalog, index, &[], &mut leaves);
    }
    let mut found = Vec::new();
    if let Some(finest) = leaves
        .iter()
        .map(|l| l.time.and_then(|(d, _)| base_grain(&catalog.semantic_models[l.model], d)))
        .collect::<Option<Vec<Grain>>>()
        .and_then(|grains| grains.into_iter().max())
    {
        found.push(QueryableDimension {
            qualified_name: "metric_time".to_owned(),
            kind: DimensionKind::Time(finest),
            column_type: Some(model::ColumnType::Timestamp),
            description: Some("The time of each metric.".to_owned()),
        });
    }
    let mut models: Vec<usize> = leaves.iter().map(|l| l.model).collect();
    models.sort_unstable();
    models.dedup();
    if metrics.is_empty() {
        let every = (0..catalog.semantic_models.len()).flat_map(|m| catalog.graph.items(m));
        let local: Vec<&Item> = every.filter(|i| i.hops.is_empty()).collect();
        listed(catalog, local, &mut found);
        return found;
    }
    let Some((first, others)) = models.split_first() else { return found };
    let everywhere = |item: &&Item| {
        others.iter().all(|m| {
            catalog.graph.find(*m, &item.path, &item.name).is_ok_and(|i| i.qualified() == item.qualified())
        })
    };
    let itself = |item: &&Item| catalog.graph.find(*first, &item.path, &item.name).is_ok_and(|i| i == *item);
    let common: Vec<&Item> = catalog.graph.items(*first).filter(itself).filter(everywhere).collect();
    let joins_profile = models.iter().all(|m| catalog.graph.find(*m, &[], "profile").is_ok());
    listed(catalog, common, &mut found);
    if joins_profile {
        found.extend(catalog.audiences.iter().map(|audience| QueryableDimension {
            qualified_name: format!("profile__in_{}", audience.name),
            kind: DimensionKind::Categorical,
            column_type: Some(model::ColumnType::Boolean),
            description: audience.description.clone(),
        }));
    }
    found
}

fn listed(catalog: &Catalog, items: Vec<&Item>, found: &mut Vec<QueryableDimension>) {
    let mut dimensions: Vec<QueryableDimension> = items
        .into_iter()
        .filter_map(|item| {
            let Target::Dimension(m, d) = item.target else { return None };
            let dimension = &catalog.semantic_models[m].dimensions[d];
            Some(QueryableDimension {
                qualified_name: item.qualified(),
                kind: dimension.kind,
                column_type: dimension.column_type,
                description: dimension.description.clone(),
            })
        })
        .collect();
    dimensions.sort_by(|a, b| a.qualified_name.cmp(&b.qualified_name));
    dimensions.dedup_by(|a, b| a.qualified_name == b.qualified_name);
    found.extend(dimensions);
}
