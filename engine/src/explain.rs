//! What a query does (`query-interfaces.md` 1.6): one document for all interfaces.

use std::{fmt, sync::Arc};

use arrow::{
    array::{RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use datafusion::{common::DataFusionError, physical_plan::displayable};
use futures::StreamExt;
use model::Offset;
use semantic::{GroupBy, MetricQuery, MetricRequest, MetricValue, TimeConstraint};
use tokio::time::Instant;

use crate::{
    Answer, CacheUse, Engine, Error, Provenance, QueryOptions, Request,
    answer::{self, POLICY},
    json::Cell,
    metric_views::Asked,
    results::Key,
    run, semantic_layer,
    statement::{self, Explain},
    stop::Stop,
};

const COLUMN: &str = "QUERY PLAN";
const EXPLAIN: &str = "explain";

/// What a query does, or did.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The metric queries in it, in words.
    pub queries: Vec<String>,
    /// Row filters and masks that apply.
    pub policy: String,
    /// The tables each metric query joins, in order.
    pub joins: Vec<String>,
    /// What runs where.
    pub fragments: Vec<Fragment>,
    /// The plan that runs here, with what each step did after ANALYZE.
    pub local: String,
    /// Whether the plan was there already.
    pub plan_cache: CacheUse,
    /// Whether the answer was there already.
    pub result_cache: CacheUse,
    /// Why the answer was not there.
    pub result_cache_reason: Option<String>,
    /// Every event before this offset counts.
    pub as_of: Offset,
}

/// A part of a query that one source answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Fragment {
    /// The source.
    pub source: String,
    /// Its SQL there.
    pub sql: String,
    /// Rows it gave, after ANALYZE.
    pub rows: Option<u64>,
    /// How long it took, in milliseconds, after ANALYZE.
    pub ms: Option<f64>,
}

/// Takes the EXPLAIN from a request, if it has one that is ours.
pub(crate) fn split(request: Request) -> Result<(Request, Option<Explain>), Error> {
    let Request::Sql { text, parameters } = request else { return Ok((request, None)) };
    let explains = |text: &str| {
        statement::without_comments(text)
            .get(..EXPLAIN.len())
            .is_some_and(|w| w.eq_ignore_ascii_case(EXPLAIN))
    };
    if !explains(&text) {
        return Ok((Request::Sql { text, parameters }, None));
    }
    let templates = semantic_layer::find(&text)?;
    let parsed = statement::parse(templates.as_ref().map_or(text.as_str(), |found| found.text.as_str()))?;
    let (text, explain) = match (parsed.explain, templates) {
        (Some((explain, query)), None) => (query, Some(explain)),
        (Some((explain, query)), Some(templates)) => (templates.restore(&query), Some(explain)),
        (None, _) => (text, None),
    };
    Ok((Request::Sql { text, parameters }, explain))
}

/// The columns of an EXPLAIN.
pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(COLUMN, DataType::Utf8, false)]))
}

/// The explanation as rows: one per line, or one with the JSON document.
pub(crate) async fn answer(
    engine: &Engine,
    request: Request,
    options: &QueryOptions,
    wanted: Explain,
) -> Result<Answer, Error> {
    let explanation = explain(engine, request, options, wanted.analyze).await?;
    let text = explanation.to_string();
    let lines = match wanted.json {
        true => StringArray::from(vec![explanation.to_json()]),
        false => StringArray::from(text.lines().collect::<Vec<_>>()),
    };
    let schema = schema();
    let rows =
        RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(lines)]).map_err(DataFusionError::from)?;
    let provenance = Provenance {
        query_id: engine.next_query_id(),
        as_of: explanation.as_of,
        catalog_version: engine.catalog().version,
        sql: explanation.fragments.iter().map(|f| f.sql.as_str()).collect::<Vec<_>>().join(";\n"),
        truncated: false,
        cache: CacheUse::Miss,
        tables: Vec::new(),
        warnings: Vec::new(),
    };
    Ok(Answer { stream: answer::in_memory(&schema, vec![rows]), schema, provenance })
}

pub(crate) async fn explain(
    engine: &Engine,
    request: Request,
    options: &QueryOptions,
    analyze: bool,
) -> Result<Explanation, Error> {
    engine.fresh().await?;
    let key = Key::new(engine.catalog().version, POLICY, options, &request);
    let (result_cache, result_cache_reason) = result_cache(engine, &key);
    let plan_cache = use_of(engine.plans().get(&key).is_some());
    let deadline = engine.deadline();
    let statement = match &request {
        Request::Sql { text, .. } => Some(text.clone()),
        Request::Metrics(_) => None,
    };
    let limits = engine.limits(deadline, Stop::at(deadline));
    let (as_of, _, ready) = answer::plan(engine, &key, request, options, &limits).await?;
    let (mut rows, mut ms) = (None, None);
    if analyze {
        let begun = Instant::now();
        let (plan, context) = (Arc::clone(&ready.plan), Arc::clone(&ready.context));
        let mut batches = run::start(plan, context, &ready.schema, limits, engine.runtime());
        let mut counted = 0;
        while let Some(batch) = batches.next().await {
            counted += batch?.num_rows() as u64;
        }
        rows = Some(counted);
        ms = Some(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    let local = match analyze {
        true => {
            datafusion::physical_plan::display::DisplayableExecutionPlan::with_metrics(ready.plan.as_ref())
                .indent(false)
                .to_string()
        }
        false => displayable(ready.plan.as_ref()).indent(false).to_string(),
    };
    let one = ready.asked.len() <= 1;
    let mut fragments: Vec<Fragment> = ready
        .asked
        .iter()
        .map(|asked| Fragment {
            source: "warehouse".to_owned(),
            sql: asked.compiled.sql.clone(),
            rows: rows.filter(|_| one && statement.is_none()),
            ms: ms.filter(|_| one && statement.is_none()),
        })
        .collect();
    if let Some(sql) = statement {
        fragments.push(Fragment { source: "local".to_owned(), sql, rows, ms });
    }
    Ok(Explanation {
        queries: ready.asked.iter().map(|asked| words(&asked.query)).collect(),
        policy: "none".to_owned(),
        joins: ready.asked.iter().map(joins).collect(),
        fragments,
        local,
        plan_cache,
        result_cache,
        result_cache_reason,
        as_of,
    })
}

fn use_of(there: bool) -> CacheUse {
    if there { CacheUse::Hit } else { CacheUse::Miss }
}

fn result_cache(engine: &Engine, key: &Key) -> (CacheUse, Option<String>) {
    let Some(entry) = engine.results().last(key) else {
        let why = if engine.results().is_large(key) { "too large to keep" } else { "not asked before" };
        return (CacheUse::Miss, Some(why.to_owned()));
    };
    if entry.reads.is_current(engine.today()) {
        return (CacheUse::Hit, None);
    }
    let changed = entry.reads.tables().filter(|(_, version)| !version.is_current());
    let changed: Vec<String> = changed
        .map(|(name, version)| format!("{name} v{} -> v{}", version.number(), version.current_number()))
        .collect();
    let why = if changed.is_empty() { "another day".to_owned() } else { changed.join(", ") };
    (CacheUse::Miss, Some(why))
}

fn joins(asked: &Asked) -> String {
    let tables: Vec<String> =
        asked.compiled.tables.iter().map(|(schema, table)| format!("{schema}.{table}")).collect();
    tables.join(" -> ")
}

/// A metric query in words.
fn words(query: &MetricQuery) -> String {
    let metric = |request: &MetricRequest| {
        let name = match &request.value {
            MetricValue::Named(name) => name.clone(),
            MetricValue::AdHoc { agg, template, model } => format!("{agg:?}({template}) over {model}"),
        };
        match request.filters.is_empty() {
            true => name,
            false => format!("{name} where {}", request.filters.join(" AND ")),
        }
    };
    let group = |group: &GroupBy| match group {
        GroupBy::Name(name) => name.clone(),
        GroupBy::Computed { template, .. } => template.clone(),
    };
    let list = |items: Vec<String>| items.join(", ");
    let mut text = format!(
        "metrics=[{}] group_by=[{}] where=[{}]",
        list(query.metrics.iter().map(metric).collect()),
        list(query.group_by.iter().map(group).collect()),
        list(query.filters.clone()),
    );
    if let Some(time) = query.time {
        let bounds = match time {
            TimeConstraint::Between(range) => (range.from, range.to),
            TimeConstraint::Periods { start, end } => (Some(start), Some(end)),
        };
        let shown = |at: Option<model::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        text.push_str(&format!(" time=[{} .. {}]", shown(bounds.0), shown(bounds.1)));
    }
    text
}

impl CacheUse {
    /// `hit` or `miss`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (query, joins) in self.queries.iter().zip(&self.joins) {
            writeln!(f, "query      {query}")?;
            writeln!(f, "joins      {joins}")?;
        }
        writeln!(f, "policy     {}", self.policy)?;
        for (n, fragment) in self.fragments.iter().enumerate() {
            write!(f, "fragment {} {}", n + 1, fragment.source)?;
            if let (Some(rows), Some(ms)) = (fragment.rows, fragment.ms) {
                write!(f, "   {rows} rows   {ms:.1} ms")?;
            }
            writeln!(f)?;
            for line in fragment.sql.lines() {
                writeln!(f, "           {line}")?;
            }
        }
        for (n, line) in self.local.lines().enumerate() {
            writeln!(f, "{}{line}", if n == 0 { "local      " } else { "           " })?;
        }
        write!(f, "cache      plan {}; result {}", self.plan_cache.as_str(), self.result_cache.as_str())?;
        if let Some(reason) = &self.result_cache_reason {
            write!(f, " ({reason})")?;
        }
        writeln!(f)?;
        write!(f, "as_of      offset {}", self.as_of)
    }
}

impl Explanation {
    /// The document as JSON.
    pub fn to_json(&self) -> String {
        let texts = |all: &[String]| Cell::List(all.iter().map(|one| text(one)).collect());
        let fragment = |fragment: &Fragment| {
            let rows = fragment.rows.map(|rows| Cell::Integer(rows.cast_signed()));
            Cell::Object(vec![
                ("source", text(&fragment.source)),
                ("sql", text(&fragment.sql)),
                ("rows", rows.unwrap_or(Cell::Null)),
                ("ms", fragment.ms.map_or(Cell::Null, Cell::Float)),
            ])
        };
        let cache = Cell::Object(vec![
            ("plan", text(self.plan_cache.as_str())),
            ("result", text(self.result_cache.as_str())),
            ("reason", self.result_cache_reason.as_deref().map_or(Cell::Null, text)),
        ]);
        let document = Cell::Object(vec![
            ("query", texts(&self.queries)),
            ("policy", text(&self.policy)),
            ("joins", texts(&self.joins)),
            ("fragments", Cell::List(self.fragments.iter().map(fragment).collect())),
            ("local", text(&self.local)),
            ("cache", cache),
            ("as_of", Cell::Integer(self.as_of.0.cast_signed())),
        ]);
        let mut out = String::new();
        document.write(&mut out);
        out
    }
}

fn text(text: &str) -> Cell<'static> {
    Cell::Text(text.to_owned().into())
}
