use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::datatypes::DataType;
use semantic::{
    Catalog, DimensionKind, Grain, MetricKind, MetricQuery, SemanticModel, TimeGrain, ViewDimension,
};

use super::column::{Role, ViewColumn, shown_as, time};
use crate::fit;

/// The view over all metrics.
const ALL: &str = "all";
/// One row per audience: it multiplies rows, so it is asked for by name in a metric query only.
const AUDIENCE: &str = "profile__audience";

/// Tells the types of a metric query's columns where the definitions do not.
pub(crate) type Types<'a> = dyn Fn(&MetricQuery) -> Option<Vec<DataType>> + 'a;

/// The metric views of one version of the definitions. Columns are worked out when a view is first
/// named.
#[derive(Debug)]
pub(crate) struct Views {
    definitions: Arc<Catalog>,
    outlines: Vec<Outline>,
    known: Mutex<HashMap<String, Arc<View>>>,
}

#[derive(Debug, Clone)]
struct Outline {
    name: String,
    description: Option<String>,
    metrics: Vec<String>,
    dimensions: Option<Vec<ViewDimension>>,
    filters: Vec<String>,
    automatic: bool,
}

/// One metric view.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) name: String,
    pub(crate) columns: Vec<ViewColumn>,
    /// Filter templates on all its rows.
    pub(crate) filters: Vec<String>,
    /// The models whose rows its metrics are made of, each with a metric that shows it.
    pub(crate) roots: Vec<Root>,
    custom_grains: Vec<String>,
}

/// A model whose rows are aggregated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Root {
    pub(crate) model: String,
    pub(crate) metric: String,
    /// The time dimension `metric_time` stands for, under its qualified name.
    pub(crate) time: Option<String>,
    /// Qualified names of its own dimensions.
    own: Vec<String>,
}

impl Root {
    /// Whether a dimension is one of the model itself.
    pub(crate) fn owns(&self, qualified: &str) -> bool {
        self.own.iter().any(|own| own == qualified)
    }
}

impl Views {
    pub(crate) fn new(definitions: Arc<Catalog>) -> Self {
        let outlines = outlines(&definitions);
        Self { definitions, outlines, known: Mutex::default() }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.outlines.iter().map(|outline| outline.name.as_str())
    }

    /// Name, description and metrics of each view.
    pub(crate) fn listing(&self) -> impl Iterator<Item = (&str, Option<&str>, &[String])> {
        self.outlines.iter().map(|o| (o.name.as_str(), o.description.as_deref(), o.metrics.as_slice()))
    }

    /// Whether nobody declared it: the view of a model that is not declared either. It leaves a bare
    /// name to whatever else has it.
    pub(crate) fn is_automatic(&self, name: &str) -> bool {
        self.outlines.iter().any(|outline| outline.name == name && outline.automatic)
    }

    /// The view of this name with its columns.
    pub(crate) fn view(&self, name: &str, types: &Types<'_>) -> Option<Arc<View>> {
        let outline = self.outlines.iter().find(|outline| outline.name == name)?;
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = known().get(name) {
            return Some(Arc::clone(view));
        }
        let (view, complete) = describe(&self.definitions, outline, types);
        let view = Arc::new(view);
        // A column that its table does not have yet gets its type once the table has it.
        if complete {
            known().insert(name.to_owned(), Arc::clone(&view));
        }
        Some(view)
    }
}

impl View {
    /// The hidden column of this name: a time dimension at a grain it can be cut to.
    pub(crate) fn hidden(&self, name: &str) -> Option<ViewColumn> {
        let (stem, suffix) = name.rsplit_once("__")?;
        let column = self.columns.iter().find(|column| column.name == stem)?;
        let Role::Time { qualified, finest } = &column.role else { return None };
        let grain = match Grain::parse(suffix) {
            Some(grain) if grain >= *finest => TimeGrain::Standard(grain),
            Some(_) => return None,
            None => TimeGrain::Custom(self.custom_grains.iter().find(|g| *g == suffix)?.clone()),
        };
        Some(ViewColumn {
            name: name.to_owned(),
            description: column.description.clone(),
            role: Role::TimeAt { qualified: qualified.clone(), grain },
            data_type: time(),
        })
    }
}

fn outlines(definitions: &Catalog) -> Vec<Outline> {
    let public: Vec<&str> = definitions.public_metrics().map(|m| m.name.as_str()).collect();
    // What this version cannot compute has no column: asked by name, it is refused with the reason.
    let answerable = |name: &&String| public.contains(&name.as_str());
    let mut found: Vec<Outline> = definitions
        .metric_views
        .iter()
        .map(|view| Outline {
            name: view.name.clone(),
            description: view.description.clone(),
            metrics: view.metrics.iter().filter(answerable).cloned().collect(),
            dimensions: view.dimensions.clone(),
            filters: view.filters.clone(),
            automatic: is_automatic(definitions, &view.name),
        })
        .collect();
    if found.iter().all(|outline| outline.name == ALL) {
        found.extend(definitions.semantic_models.iter().filter_map(|model| {
            let whole = |name: &&&str| {
                let roots = roots(definitions, name);
                !roots.is_empty() && roots.iter().all(|root| root.model == model.name)
            };
            let metrics: Vec<String> = public.iter().filter(whole).map(|m| (*m).to_owned()).collect();
            (!metrics.is_empty()).then(|| Outline {
                name: model.name.clone(),
                description: model.description.clone(),
                metrics,
                dimensions: None,
                filters: Vec::new(),
                automatic: is_automatic(definitions, &model.name),
            })
        }));
    }
    if !public.is_empty() && found.iter().all(|outline| outline.name != ALL) {
        found.push(Outline {
            name: ALL.to_owned(),
            description: Some("Every metric, by what all of them have in common.".to_owned()),
            metrics: public.into_iter().map(str::to_owned).collect(),
            dimensions: None,
            filters: Vec::new(),
            automatic: true,
        });
    }
    found
}

/// Whether a view is there without a declared model of its name.
fn is_automatic(definitions: &Catalog, name: &str) -> bool {
    name == ALL || definitions.semantic_models.iter().any(|model| model.name == name && model.automatic)
}

fn describe(definitions: &Catalog, outline: &Outline, types: &Types<'_>) -> (View, bool) {
    let mut complete = true;
    let mut typed = |known: Option<DataType>, query: MetricQuery| {
        known.or_else(|| types(&query).and_then(|all| all.last().map(fit::fitted))).unwrap_or_else(|| {
            complete = false;
            DataType::Utf8
        })
    };
    let mut columns = Vec::new();
    for dimension in definitions.dimensions(&outline.metrics) {
        let qualified = dimension.qualified_name;
        let Some(name) = shown_name(outline, &qualified) else { continue };
        let role = match (dimension.kind, audience_of(definitions, &qualified)) {
            (DimensionKind::Time(finest), _) => Role::Time { qualified: qualified.clone(), finest },
            (_, Some(audience)) => Role::Member { qualified: qualified.clone(), audience },
            _ => Role::Dimension(qualified.clone()),
        };
        let data_type = match &role {
            Role::Time { .. } => time(),
            _ => {
                let metrics = outline.metrics.first().map(|m| m.as_str().into()).into_iter().collect();
                let query =
                    MetricQuery { metrics, group_by: vec![qualified.into()], ..MetricQuery::default() };
                let first = |query: MetricQuery| types(&query).and_then(|all| all.first().map(fit::fitted));
                let known = dimension.column_type.map(shown_as).or_else(|| first(query.clone()));
                typed(known, query)
            }
        };
        columns.push(ViewColumn { name, description: dimension.description, role, data_type });
    }
    order(outline, &mut columns);
    for name in &outline.metrics {
        let Some(metric) = definitions.metric(name) else { continue };
        let query = |group_by: &[&str]| MetricQuery {
            metrics: vec![name.as_str().into()],
            group_by: group_by.iter().map(|name| (*name).into()).collect(),
            ..MetricQuery::default()
        };
        let known = types(&query(&[])).and_then(|all| all.last().map(fit::fitted));
        columns.push(ViewColumn {
            name: name.clone(),
            description: metric.description.clone(),
            role: Role::Measure(name.clone()),
            data_type: typed(known, query(&["metric_time"])),
        });
    }
    let mut all: Vec<Root> = Vec::new();
    for root in outline.metrics.iter().flat_map(|metric| roots(definitions, metric)) {
        match all.iter_mut().find(|known| known.model == root.model) {
            // `metric_time` stands for one dimension of a model, or for none in particular.
            Some(known) if known.time != root.time => known.time = None,
            Some(_) => {}
            None => all.push(root),
        }
    }
    let custom = definitions.time_spines.iter().flat_map(|spine| &spine.custom_grains);
    let view = View {
        name: outline.name.clone(),
        columns,
        filters: outline.filters.clone(),
        roots: all,
        custom_grains: custom.map(|grain| grain.name.clone()).collect(),
    };
    (view, complete)
}

/// The name of a dimension's column; `None` if the view does not show it.
fn shown_name(outline: &Outline, qualified: &str) -> Option<String> {
    match &outline.dimensions {
        None => (qualified != AUDIENCE).then(|| qualified.to_owned()),
        Some(listed) => {
            let listed = listed.iter().find(|d| d.name.eq_ignore_ascii_case(qualified))?;
            Some(listed.alias.clone().unwrap_or_else(|| qualified.to_owned()))
        }
    }
}

/// Declared dimensions stand in their declared order.
fn order(outline: &Outline, columns: &mut [ViewColumn]) {
    let Some(listed) = &outline.dimensions else { return };
    let place = |column: &ViewColumn| {
        column.dimension().and_then(|name| listed.iter().position(|d| d.name.eq_ignore_ascii_case(name)))
    };
    columns.sort_by_key(place);
}

fn audience_of(definitions: &Catalog, qualified: &str) -> Option<String> {
    let name = qualified.rsplit_once("profile__in_").map(|(_, name)| name)?;
    definitions.audience(name).map(|audience| audience.name.as_str().to_owned())
}

/// The models whose rows a metric is made of.
fn roots(definitions: &Catalog, metric: &str) -> Vec<Root> {
    let mut found = Vec::new();
    collect_roots(definitions, metric, metric, 0, &mut found);
    found
}

/// Metrics of metrics are at most this deep: the loader refuses cycles, this is for the reader.
const DEPTH: usize = 64;

fn collect_roots(definitions: &Catalog, name: &str, shown: &str, depth: usize, found: &mut Vec<Root>) {
    let Some(metric) = definitions.metric(name).filter(|_| depth < DEPTH) else { return };
    let inputs: Vec<&str> = match &metric.kind {
        MetricKind::Simple(simple) => {
            let model = definitions.semantic_models.iter().find(|model| model.name == simple.model);
            let time = model.and_then(|model| {
                let entity = model.primary_entity.as_deref()?;
                Some(format!("{entity}__{}", simple.agg_time_dimension))
            });
            let own = model.map(own_dimensions).unwrap_or_default();
            let root = Root { model: simple.model.clone(), metric: shown.to_owned(), time, own };
            if !found.contains(&root) {
                found.push(root);
            }
            return;
        }
        MetricKind::Ratio { numerator, denominator } => vec![&numerator.name, &denominator.name],
        MetricKind::Derived { inputs, .. } => inputs.iter().map(|input| input.name.as_str()).collect(),
        MetricKind::Cumulative { input, .. } => vec![&input.name],
        MetricKind::Conversion(conversion) => vec![&conversion.base.name, &conversion.conversion.name],
    };
    for input in inputs {
        collect_roots(definitions, input, shown, depth + 1, found);
    }
}

fn own_dimensions(model: &SemanticModel) -> Vec<String> {
    let Some(entity) = &model.primary_entity else { return Vec::new() };
    model.dimensions.iter().map(|dimension| format!("{entity}__{}", dimension.name)).collect()
}
