use std::collections::{HashMap, HashSet};

use sqlparser::ast::Expr;

use crate::{
    Audience, DimensionKind, EntityType, Grain, IdentityRules, Metric, Normalizer, SemanticModel, names, sql,
};

/// Most joins from a metric's table to a dimension.
const MAX_LINKS: usize = 3;
/// Longer paths must be written out in full.
const MAX_IMPLIED_LINKS: usize = 2;

/// What a catalog makes possible, worked out once: a query only looks things up.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    metrics: HashMap<String, usize>,
    measures: HashMap<String, (usize, usize)>,
    audiences: HashSet<String>,
    /// Identifier types whose values are compared in lower case.
    folded: HashSet<String>,
    pub(crate) nodes: Vec<Node>,
}

/// One model: its parsed expressions, and everything reachable from it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) entities: Vec<Expr>,
    pub(crate) dimensions: Vec<Expr>,
    pub(crate) measures: Vec<Expr>,
    /// Reachable items by the name of their last part.
    items: HashMap<String, Vec<Item>>,
}

/// Something that can be grouped and filtered by, seen from one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// Entities in front of the name.
    pub(crate) path: Vec<String>,
    pub(crate) name: String,
    pub(crate) hops: Vec<Hop>,
    pub(crate) target: Target,
}

/// One join: an entity of the left model meets the same one of the right model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Hop {
    pub(crate) from: (usize, usize),
    pub(crate) to: (usize, usize),
}

/// The element an item shows: model and index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Dimension(usize, usize),
    Entity(usize, usize),
}

/// Why a name has no item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Missing {
    Unknown,
    Ambiguous(Vec<String>),
}

impl Item {
    /// `listing__user__country`.
    pub(crate) fn qualified(&self) -> String {
        let mut parts = self.path.clone();
        parts.push(self.name.clone());
        parts.join("__")
    }
}

impl Graph {
    pub(crate) fn new(
        models: &[SemanticModel],
        metrics: &[Metric],
        audiences: &[Audience],
        identity: &IdentityRules,
    ) -> Self {
        // A measure or metric that is defined twice was reported; the first counts.
        let mut measures = HashMap::new();
        for (m, model) in models.iter().enumerate() {
            for (i, measure) in model.measures.iter().enumerate() {
                measures.entry(measure.name.clone()).or_insert((m, i));
            }
        }
        let folds = |n: &Normalizer| matches!(n, Normalizer::Lowercase | Normalizer::Email);
        Self {
            metrics: metrics.iter().enumerate().rev().map(|(i, m)| (m.name.clone(), i)).collect(),
            measures,
            audiences: audiences.iter().map(|a| a.name.to_string()).collect(),
            folded: identity
                .identifiers
                .iter()
                .filter(|t| t.normalize.iter().any(folds))
                .map(|t| t.name.clone())
                .collect(),
            nodes: (0..models.len()).map(|m| node(models, m)).collect(),
        }
    }

    pub(crate) fn metric(&self, name: &str) -> Option<usize> {
        self.metrics.get(name).copied()
    }

    pub(crate) fn metric_names(&self) -> impl Iterator<Item = &str> {
        self.metrics.keys().map(String::as_str)
    }

    pub(crate) fn measure(&self, name: &str) -> Option<(usize, usize)> {
        self.measures.get(name).copied()
    }

    pub(crate) fn has_audience(&self, name: &str) -> bool {
        self.audiences.contains(name)
    }

    pub(crate) fn audience_names(&self) -> impl Iterator<Item = &str> {
        self.audiences.iter().map(String::as_str)
    }

    /// Whether values of an identifier type are compared in lower case.
    pub(crate) fn folds(&self, identifier: &str) -> bool {
        self.folded.contains(identifier)
    }

    /// The item whose path ends with the given one; the shortest path wins (Q1.3).
    pub(crate) fn find(&self, model: usize, path: &[String], name: &str) -> Result<&Item, Missing> {
        let items = self.nodes[model].items.get(name).map_or(&[][..], Vec::as_slice);
        let fits = |item: &&Item| {
            item.path.ends_with(path)
                && (item.hops.len() <= MAX_IMPLIED_LINKS || item.path.len() == path.len())
        };
        let shortest = items.iter().filter(fits).map(|i| i.path.len()).min();
        let mut best = items.iter().filter(fits).filter(|i| Some(i.path.len()) == shortest);
        match (best.next(), best.next()) {
            (None, _) => Err(Missing::Unknown),
            (Some(item), None) => Ok(item),
            (Some(first), Some(second)) => {
                let mut all: Vec<String> =
                    [first, second].into_iter().chain(best).map(Item::qualified).collect();
                all.sort();
                Err(Missing::Ambiguous(all))
            }
        }
    }

    /// Everything reachable from a model.
    pub(crate) fn items(&self, model: usize) -> impl Iterator<Item = &Item> {
        self.nodes[model].items.values().flatten()
    }

    /// The nearest known name to one that is not reachable.
    pub(crate) fn closest(&self, model: usize, name: &str) -> Option<String> {
        let known: Vec<String> =
            self.items(model).map(Item::qualified).chain(["metric_time".to_owned()]).collect();
        names::closest(name, known.iter().map(String::as_str))
    }
}

/// The grain of a model's time dimension.
pub(crate) fn base_grain(model: &SemanticModel, dimension: usize) -> Option<Grain> {
    match model.dimensions.get(dimension)?.kind {
        DimensionKind::Time(grain) => Some(grain),
        DimensionKind::Categorical => None,
    }
}

fn node(models: &[SemanticModel], m: usize) -> Node {
    // The loader has reported every expression that does not parse; NULL keeps the indices in step.
    let parsed =
        |text: &str| sql::parse_expr(text).unwrap_or_else(|_| Expr::value(sqlparser::ast::Value::Null));
    let model = &models[m];
    let mut items: HashMap<String, Vec<Item>> = HashMap::new();
    let mut add = |item: Item| {
        let known = items.entry(item.name.clone()).or_default();
        if !known.iter().any(|i| i.path == item.path && i.target == item.target) {
            known.push(item);
        }
    };
    let local: Vec<String> = model.primary_entity.iter().cloned().collect();
    show(model, m, &local, &[], &mut add);
    for (i, entity) in model.entities.iter().enumerate() {
        let target = Target::Entity(m, i);
        add(Item { path: Vec::new(), name: entity.name.clone(), hops: Vec::new(), target });
    }
    walk(models, m, &mut Vec::new(), &mut Vec::new(), &mut add);
    Node {
        entities: model.entities.iter().map(|e| parsed(&e.expr)).collect(),
        dimensions: model.dimensions.iter().map(|d| parsed(&d.expr)).collect(),
        measures: model.measures.iter().map(|x| parsed(&x.expr)).collect(),
        items,
    }
}

/// Adds a model's dimensions and entities under a path.
fn show(model: &SemanticModel, m: usize, path: &[String], hops: &[Hop], add: &mut dyn FnMut(Item)) {
    if path.is_empty() {
        return;
    }
    let item =
        |name: &str, target| Item { path: path.to_vec(), name: name.to_owned(), hops: hops.to_vec(), target };
    for (i, dimension) in model.dimensions.iter().enumerate() {
        add(item(&dimension.name, Target::Dimension(m, i)));
    }
    for (i, entity) in model.entities.iter().enumerate() {
        if path.last() != Some(&entity.name) {
            add(item(&entity.name, Target::Entity(m, i)));
        }
    }
}

/// Follows every join that cannot multiply rows (Q2).
fn walk(
    models: &[SemanticModel],
    from: usize,
    path: &mut Vec<String>,
    hops: &mut Vec<Hop>,
    add: &mut dyn FnMut(Item),
) {
    if hops.len() == MAX_LINKS {
        return;
    }
    for (e, entity) in models[from].entities.iter().enumerate() {
        for (to, right) in models.iter().enumerate() {
            let visited = to == from || hops.iter().any(|h| h.from.0 == to || h.to.0 == to);
            let Some(r) = right.entities.iter().position(|x| {
                x.name == entity.name && matches!(x.entity_type, EntityType::Primary | EntityType::Unique)
            }) else {
                continue;
            };
            // A key that is matched through identities may stand in many rows of its model.
            if visited || right.entities[r].identifier.is_some() {
                continue;
            }
            path.push(entity.name.clone());
            hops.push(Hop { from: (from, e), to: (to, r) });
            show(right, to, path, hops, add);
            walk(models, to, path, hops, add);
            hops.pop();
            path.pop();
        }
    }
}
