use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use sqlparser::ast;

use super::template::Template;
use crate::{
    Audience, DimensionKind, EntityType, Grain, IdentityRules, Metric, Normalizer, Relation, SemanticModel,
    TimeSpine, Validity, names, sql,
};

/// Longer paths must be written out in full (Q1.5).
const MAX_IMPLIED_LINKS: usize = 2;
/// Most joins from a metric's table to a dimension.
const MAX_LINKS: usize = 10;
/// Most paths kept for one model; what lies beyond is still found by its full path.
const MAX_WAYS: usize = 20_000;
/// Most filter texts kept as trees.
const MAX_TEMPLATES: usize = 10_000;

/// What a catalog makes possible, worked out once, each part when it is first asked for: a query only
/// looks things up.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    metrics: HashMap<String, usize>,
    models: HashMap<String, usize>,
    audiences: HashSet<String>,
    /// Identifier types whose values are compared in lower case.
    folded: HashSet<String>,
    /// Dimensions and entities by name.
    elements: HashMap<String, Vec<Target>>,
    /// Entities that a join may end at, by name.
    keys: HashMap<String, Vec<(usize, usize)>>,
    /// Custom grains: spine and number in it.
    custom: HashMap<String, (usize, usize)>,
    nodes: Vec<Node>,
    /// Expressions of metrics.
    exprs: Vec<OnceLock<Arc<ast::Expr>>>,
    templates: RwLock<HashMap<String, Arc<Template>>>,
}

/// One model: its expressions, and what is reachable from it.
#[derive(Debug, Default)]
struct Node {
    entities: Vec<OnceLock<Arc<ast::Expr>>>,
    dimensions: Vec<OnceLock<Arc<ast::Expr>>>,
    /// Paths of implied length, by the model they end at.
    ways: OnceLock<HashMap<usize, Vec<Way>>>,
    query: OnceLock<Option<Arc<ast::Query>>>,
}

/// A path of joins that cannot multiply rows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Way {
    path: Vec<String>,
    hops: Vec<Hop>,
}

/// Something that can be grouped and filtered by, seen from one model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Item {
    /// Entities in front of the name.
    pub(super) path: Vec<String>,
    pub(super) name: String,
    pub(super) hops: Vec<Hop>,
    pub(super) target: Target,
}

/// One join: an entity of the left model meets the same one of the right model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Hop {
    pub(super) from: (usize, usize),
    pub(super) to: (usize, usize),
}

/// The element an item shows: model and index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Target {
    Dimension(usize, usize),
    Entity(usize, usize),
}

/// Why a name has no item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missing {
    Unknown,
    Ambiguous(Vec<String>),
}

impl Item {
    /// `listing__user__country`.
    pub(super) fn qualified(&self) -> String {
        let mut out = String::new();
        for part in &self.path {
            out.push_str(part);
            out.push_str("__");
        }
        out.push_str(&self.name);
        out
    }
}

impl Target {
    fn model(self) -> usize {
        match self {
            Self::Dimension(m, _) | Self::Entity(m, _) => m,
        }
    }
}

impl Graph {
    pub(crate) fn new(
        models: &[SemanticModel],
        metrics: &[Metric],
        audiences: &[Audience],
        identity: &IdentityRules,
        spines: &[TimeSpine],
    ) -> Self {
        let folds = |n: &Normalizer| matches!(n, Normalizer::Lowercase | Normalizer::Email);
        let mut elements: HashMap<String, Vec<Target>> = HashMap::new();
        let mut keys: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
        for (m, model) in models.iter().enumerate() {
            for (d, dimension) in model.dimensions.iter().enumerate() {
                elements.entry(dimension.name.clone()).or_default().push(Target::Dimension(m, d));
            }
            for (e, entity) in model.entities.iter().enumerate() {
                elements.entry(entity.name.clone()).or_default().push(Target::Entity(m, e));
                if is_key(model, e) {
                    keys.entry(entity.name.clone()).or_default().push((m, e));
                }
            }
        }
        let custom = spines.iter().enumerate().flat_map(|(s, spine)| {
            spine.custom_grains.iter().enumerate().map(move |(g, grain)| (grain.name.clone(), (s, g)))
        });
        let node = |model: &SemanticModel| Node {
            entities: model.entities.iter().map(|_| OnceLock::new()).collect(),
            dimensions: model.dimensions.iter().map(|_| OnceLock::new()).collect(),
            ..Node::default()
        };
        // A name that is defined twice was reported; the first counts.
        Self {
            metrics: metrics.iter().enumerate().rev().map(|(i, m)| (m.name.clone(), i)).collect(),
            models: models.iter().enumerate().rev().map(|(i, m)| (m.name.clone(), i)).collect(),
            audiences: audiences.iter().map(|a| a.name.to_string()).collect(),
            folded: identity
                .identifiers
                .iter()
                .filter(|t| t.normalize.iter().any(folds))
                .map(|t| t.name.clone())
                .collect(),
            elements,
            keys,
            custom: custom.collect(),
            nodes: models.iter().map(node).collect(),
            exprs: metrics.iter().map(|_| OnceLock::new()).collect(),
            templates: RwLock::default(),
        }
    }

    pub(crate) fn metric(&self, name: &str) -> Option<usize> {
        self.metrics.get(name).copied()
    }

    pub(super) fn model(&self, name: &str) -> Option<usize> {
        self.models.get(name).copied()
    }

    pub(super) fn has_audience(&self, name: &str) -> bool {
        self.audiences.contains(name)
    }

    pub(super) fn audience_names(&self) -> impl Iterator<Item = &str> {
        self.audiences.iter().map(String::as_str)
    }

    /// Whether values of an identifier type are compared in lower case.
    pub(super) fn folds(&self, identifier: &str) -> bool {
        self.folded.contains(identifier)
    }

    /// The spine of a custom grain, and the grain's number in it.
    pub(super) fn custom_grain(&self, name: &str) -> Option<(usize, usize)> {
        self.custom.get(name).copied()
    }

    pub(super) fn custom_grains(&self) -> impl Iterator<Item = &str> {
        self.custom.keys().map(String::as_str)
    }

    pub(super) fn dimension(&self, models: &[SemanticModel], m: usize, d: usize) -> Arc<ast::Expr> {
        parsed(&self.nodes[m].dimensions[d], &models[m].dimensions[d].expr)
    }

    pub(super) fn entity(&self, models: &[SemanticModel], m: usize, e: usize) -> Arc<ast::Expr> {
        parsed(&self.nodes[m].entities[e], &models[m].entities[e].expr)
    }

    /// The expression of a metric, by its number; a derived one's with exact division (Q7).
    pub(super) fn expr(&self, metric: usize, text: &str, derived: bool) -> Arc<ast::Expr> {
        let make = || {
            let mut expr = sql::parse_expr(text).unwrap_or_else(|_| sql::null());
            if derived {
                sql::divide_as_double(&mut expr);
            }
            Arc::new(expr)
        };
        Arc::clone(self.exprs[metric].get_or_init(make))
    }

    /// The SELECT a model reads; `None` where its text is none.
    pub(super) fn query(&self, models: &[SemanticModel], m: usize) -> Option<Arc<ast::Query>> {
        let Relation::Query(text) = &models[m].relation else { return None };
        self.nodes[m].query.get_or_init(|| sql::parse_query(text).map(Arc::new)).clone()
    }

    /// A filter as a tree, read once.
    pub(super) fn template(&self, text: &str) -> Arc<Template> {
        let read = self.templates.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.get(text) {
            return Arc::clone(known);
        }
        drop(read);
        let template = Arc::new(Template::parse(text));
        let mut write = self.templates.write().unwrap_or_else(PoisonError::into_inner);
        if write.len() < MAX_TEMPLATES {
            write.insert(text.to_owned(), Arc::clone(&template));
        }
        template
    }

    /// The item whose path ends with the given one; the shortest path wins (Q1.3).
    pub(super) fn find(
        &self,
        models: &[SemanticModel],
        model: usize,
        path: &[String],
        name: &str,
    ) -> Result<Item, Missing> {
        let mut found: Vec<Item> = Vec::new();
        for target in self.elements.get(name).map_or(&[][..], Vec::as_slice) {
            self.add_paths(models, model, (path, name), *target, &mut found);
        }
        let Some(shortest) = found.iter().map(|i| i.path.len()).min() else { return Err(Missing::Unknown) };
        found.retain(|i| i.path.len() == shortest);
        // Of models that share a key, the one whose primary key it is gives the name its meaning.
        let rank = |item: &Item| item.hops.iter().filter(|h| !is_primary(models, h.to)).count();
        let best = found.iter().map(rank).min().unwrap_or_default();
        found.retain(|i| rank(i) == best);
        let first = found[0].clone();
        let same = |i: &Item| i.path == first.path && matches!(i.target, Target::Entity(..));
        if found[1..].iter().all(|i| *i == first || same(i)) {
            return Ok(first);
        }
        let mut all: Vec<String> = found.iter().map(Item::qualified).collect();
        all.sort();
        all.dedup();
        if all.len() == 1 {
            all =
                found.iter().map(|i| format!("{} of '{}'", all[0], models[i.target.model()].name)).collect();
        }
        Err(Missing::Ambiguous(all))
    }

    fn add_paths(
        &self,
        models: &[SemanticModel],
        model: usize,
        (path, name): (&[String], &str),
        target: Target,
        found: &mut Vec<Item>,
    ) {
        let mut add = |full: &[String], hops: &[Hop]| {
            if full.ends_with(path) {
                let name = name.to_owned();
                found.push(Item { path: full.to_vec(), name, hops: hops.to_vec(), target });
            }
        };
        let end = target.model();
        if end == model {
            if matches!(target, Target::Entity(..)) {
                add(&[], &[]);
            }
            if let Some(primary) = &models[model].primary_entity
                && (primary != name || matches!(target, Target::Dimension(..)))
            {
                add(std::slice::from_ref(primary), &[]);
            }
        }
        let is_last =
            |way: &[String]| matches!(target, Target::Entity(..)) && way.last().is_some_and(|l| l == name);
        for way in self.ways(models, model).get(&end).map_or(&[][..], Vec::as_slice) {
            if !is_last(&way.path) {
                add(&way.path, &way.hops);
            }
        }
        if path.len() > MAX_IMPLIED_LINKS && path.len() <= MAX_LINKS && !is_last(path) {
            self.follow(models, model, path, &mut Vec::new(), &mut |hops| {
                if hops.last().is_some_and(|h| h.to.0 == end) {
                    add(path, hops);
                }
            });
        }
    }

    fn ways(&self, models: &[SemanticModel], model: usize) -> &HashMap<usize, Vec<Way>> {
        self.nodes[model].ways.get_or_init(|| {
            let mut all: HashMap<usize, Vec<Way>> = HashMap::new();
            let mut count = 0;
            let mut front: Vec<Way> = vec![Way { path: Vec::new(), hops: Vec::new() }];
            for _ in 0..MAX_IMPLIED_LINKS {
                let mut next = Vec::new();
                for way in &front {
                    let from = way.hops.last().map_or(model, |h| h.to.0);
                    for (e, entity) in models[from].entities.iter().enumerate() {
                        self.hops(models, (from, e), &mut |hop| {
                            let seen = hop.to.0 == model || way.hops.iter().any(|h| h.to.0 == hop.to.0);
                            if !seen && count < MAX_WAYS {
                                count += 1;
                                let path = way.path.iter().cloned().chain([entity.name.clone()]).collect();
                                let hops = way.hops.iter().copied().chain([hop]).collect();
                                next.push(Way { path, hops });
                            }
                        });
                    }
                }
                for way in &next {
                    if let Some(last) = way.hops.last() {
                        all.entry(last.to.0).or_default().push(way.clone());
                    }
                }
                front = next;
            }
            all
        })
    }

    /// Walks along a path that is written out.
    fn follow(
        &self,
        models: &[SemanticModel],
        from: usize,
        path: &[String],
        hops: &mut Vec<Hop>,
        done: &mut dyn FnMut(&[Hop]),
    ) {
        let Some((entity, rest)) = path.split_first() else { return done(hops) };
        let Some(e) = models[from].entities.iter().position(|x| x.name == *entity) else { return };
        let mut next = Vec::new();
        self.hops(models, (from, e), &mut |hop| next.push(hop));
        for hop in next {
            if hops.iter().any(|h| h.to.0 == hop.to.0 || h.from.0 == hop.to.0) {
                continue;
            }
            hops.push(hop);
            self.follow(models, hop.to.0, rest, hops, done);
            hops.pop();
        }
    }

    /// The joins an entity allows (Q2).
    fn hops(&self, models: &[SemanticModel], from: (usize, usize), each: &mut dyn FnMut(Hop)) {
        let (m, e) = from;
        let left = &models[m].entities[e];
        for to in self.keys.get(&left.name).map_or(&[][..], Vec::as_slice) {
            let natural = models[to.0].entities[to.1].entity_type == EntityType::Natural;
            let allowed = !natural || left.entity_type != EntityType::Natural;
            let windows = has_validity(&models[m]) && has_validity(&models[to.0]);
            if to.0 != m && allowed && !windows {
                each(Hop { from, to: *to });
            }
        }
    }

    /// Everything reachable from a model over paths of implied length.
    pub(super) fn items(&self, models: &[SemanticModel], model: usize) -> Vec<Item> {
        let mut all = Vec::new();
        let local: Vec<String> = models[model].primary_entity.iter().cloned().collect();
        show(&models[model], model, &local, &[], &mut all);
        for (e, entity) in models[model].entities.iter().enumerate() {
            let target = Target::Entity(model, e);
            all.push(Item { path: Vec::new(), name: entity.name.clone(), hops: Vec::new(), target });
        }
        for (end, ways) in self.ways(models, model) {
            for way in ways {
                show(&models[*end], *end, &way.path, &way.hops, &mut all);
            }
        }
        all
    }

    /// The nearest known name to one that is not reachable.
    pub(super) fn closest(&self, models: &[SemanticModel], model: usize, name: &str) -> Option<String> {
        let known: Vec<String> = self.items(models, model).iter().map(Item::qualified).collect();
        names::closest(name, known.iter().map(String::as_str).chain(["metric_time"]))
    }

    /// Whether any model has an element of this name.
    pub(super) fn is_element(&self, name: &str) -> bool {
        self.elements.contains_key(name)
    }
}

/// The grain of a model's time dimension.
pub(super) fn base_grain(model: &SemanticModel, dimension: usize) -> Option<Grain> {
    match model.dimensions.get(dimension)?.kind {
        DimensionKind::Time(grain) => Some(grain),
        DimensionKind::Categorical => None,
    }
}

/// Start and end of a model's validity window.
pub(super) fn validity(model: &SemanticModel) -> Option<(usize, usize)> {
    let at = |end| model.dimensions.iter().position(|d| d.validity == Some(end));
    Some((at(Validity::Start)?, at(Validity::End)?))
}

fn has_validity(model: &SemanticModel) -> bool {
    validity(model).is_some()
}

fn is_primary(models: &[SemanticModel], (m, e): (usize, usize)) -> bool {
    matches!(models[m].entities[e].entity_type, EntityType::Primary | EntityType::Natural)
}

/// Whether one row at most has each value of an entity. A key that is matched through identities may
/// stand in many rows.
fn is_key(model: &SemanticModel, e: usize) -> bool {
    let entity = &model.entities[e];
    entity.identifier.is_none()
        && match entity.entity_type {
            EntityType::Primary | EntityType::Unique => true,
            EntityType::Natural => has_validity(model),
            EntityType::Foreign => false,
        }
}

fn parsed(kept: &OnceLock<Arc<ast::Expr>>, text: &str) -> Arc<ast::Expr> {
    // The loader has reported every expression that does not parse.
    Arc::clone(kept.get_or_init(|| Arc::new(sql::parse_expr(text).unwrap_or_else(|_| sql::null()))))
}

/// Adds a model's dimensions and entities under a path.
fn show(model: &SemanticModel, m: usize, path: &[String], hops: &[Hop], all: &mut Vec<Item>) {
    if path.is_empty() {
        return;
    }
    let item =
        |name: &str, target| Item { path: path.to_vec(), name: name.to_owned(), hops: hops.to_vec(), target };
    for (i, dimension) in model.dimensions.iter().enumerate() {
        all.push(item(&dimension.name, Target::Dimension(m, i)));
    }
    for (i, entity) in model.entities.iter().enumerate() {
        if path.last() != Some(&entity.name) {
            all.push(item(&entity.name, Target::Entity(m, i)));
        }
    }
}
