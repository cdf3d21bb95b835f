//! Which tables and views there are, over one pinned snapshot and one version of the definitions.
//! Nothing is registered per query: a table is made when a statement names it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, OnceLock},
};

use arrow::datatypes::DataType;
use async_trait::async_trait;
use datafusion::{
    catalog::{CatalogProvider, SchemaProvider, TableProvider, view::ViewTable},
    common::{Result, TableReference},
    logical_expr::LogicalPlan,
};
use model::Offset;
use semantic::{Catalog, MetricQuery};

use crate::{
    CATALOG, Error,
    metric_views::{MetricViewTable, Types, Views},
    system,
    views::{self, Stored},
};

/// Name of the schema that stands for the search path; never listed.
pub(crate) const SEARCH_PATH: &str = "search_path";

const SCHEMAS: [&str; 6] = ["audiences", "events", "metrics", "profiles", "system", "warehouse"];
const BARE_NAMES: [&str; 4] = ["metrics", "audiences", "profiles", "events"];
const INFORMATION_SCHEMA: &str = "information_schema";

/// View and stored table of the parts of `profiles`, and of `audiences` beside one view per audience.
const PROFILES: [(&str, &str); 5] = [
    ("profiles", "profiles"),
    ("identifiers", "profile_identifiers"),
    ("identity_map", "identity_map"),
    ("aliases", "profile_aliases"),
    ("identity_versions", "identity_versions"),
];
const AUDIENCES: [(&str, &str); 2] = [("members", "audience_members"), ("changes", "audience_changes")];

/// All names a statement can use.
#[derive(Debug)]
pub(crate) struct Names {
    as_of: Offset,
    stored: HashMap<String, warehouse::Table>,
    definitions: Arc<Catalog>,
    views: Arc<Views>,
    /// The words of the statement: hidden columns exist where they are named.
    words: OnceLock<HashSet<String>>,
    /// Relations of one statement, by bare name.
    given: HashMap<String, Arc<dyn TableProvider>>,
}

impl Names {
    pub(crate) fn new(
        snapshot: warehouse::Snapshot,
        definitions: Arc<Catalog>,
        views: Arc<Views>,
    ) -> Arc<Self> {
        let stored = snapshot.tables.into_iter().map(|t| (t.name.clone(), t)).collect();
        let (words, given) = (OnceLock::new(), HashMap::new());
        Arc::new(Self { as_of: snapshot.next, stored, definitions, views, words, given })
    }

    /// The same names, and relations that one statement brings along.
    pub(crate) fn with(&self, given: HashMap<String, Arc<dyn TableProvider>>) -> Arc<Self> {
        let (stored, definitions) = (self.stored.clone(), Arc::clone(&self.definitions));
        let (views, words) = (Arc::clone(&self.views), OnceLock::new());
        Arc::new(Self { as_of: self.as_of, stored, definitions, views, words, given })
    }

    /// Says which words the statement has, before any of its names is looked up.
    pub(crate) fn mention(&self, words: HashSet<String>) {
        // A session plans one statement; what is compiled from it mentions no metric view.
        let _ = self.words.set(words);
    }

    /// The stored table that a scan reads.
    pub(crate) fn table_of(&self, provider: &Arc<dyn TableProvider>) -> Option<&warehouse::Table> {
        self.stored.values().find(|table| Arc::ptr_eq(&table.provider, provider))
    }

    /// The stored table of a name.
    pub(crate) fn stored_table(&self, name: &str) -> Option<&warehouse::Table> {
        self.stored.get(name)
    }

    /// Works out the columns of a metric view where planning must tell their types.
    pub(crate) fn describe_view(&self, reference: &TableReference, types: &Types<'_>) {
        let name = match reference.schema() {
            Some("metrics") => self.spelling("metrics", reference.table()),
            Some(_) => None,
            None => self
                .search(reference.table())
                .ok()
                .flatten()
                .filter(|found| found.0 == "metrics")
                .map(|f| f.1),
        };
        if let Some(name) = name {
            self.views.view(name, types);
        }
    }

    pub(crate) fn as_of(&self) -> Offset {
        self.as_of
    }

    /// Schemas that are listed, sorted.
    pub(crate) fn schemas() -> [&'static str; 6] {
        SCHEMAS
    }

    /// Names in a schema, sorted.
    pub(crate) fn tables(&self, schema: &str) -> Vec<String> {
        let mut names: Vec<String> = self.listed(schema).map(str::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn listed(&self, schema: &str) -> Box<dyn Iterator<Item = &str> + '_> {
        match schema {
            "warehouse" => Box::new(self.stored.keys().map(String::as_str)),
            "events" if self.stored.contains_key("identity_map") => {
                let planned = self.definitions.tracking_plan.events.iter().map(|e| e.table.as_str());
                let stored = planned.filter(|table| self.stored.contains_key(*table));
                Box::new(stored.chain(self.stored.contains_key("events").then_some("all")))
            }
            "profiles" => Box::new(self.present(&PROFILES)),
            "audiences" if self.stored.contains_key("audience_members") => {
                let declared = self.definitions.audiences.iter().map(|a| a.name.as_str());
                Box::new(self.present(&AUDIENCES).chain(["catalog"]).chain(declared))
            }
            "metrics" => Box::new(self.views.names()),
            "system" => Box::new(["dimensions", "metric_views", "metrics"].into_iter()),
            _ => Box::new(std::iter::empty()),
        }
    }

    fn present<'a>(&'a self, views: &'static [(&str, &str)]) -> impl Iterator<Item = &'a str> {
        views.iter().filter(|(_, stored)| self.stored.contains_key(*stored)).map(|(view, _)| *view)
    }

    /// The spelling under which a name exists: as written, or without case if that is unambiguous
    /// (SQL-7).
    fn spelling(&self, schema: &str, name: &str) -> Option<&str> {
        let mut alike = self.listed(schema).filter(|n| n.eq_ignore_ascii_case(name));
        let first = alike.next()?;
        let mut spellings = alike.filter(|n| *n != first).peekable();
        match first == name || spellings.peek().is_none() {
            true => Some(first),
            false => spellings.find(|n| *n == name),
        }
    }

    /// The table or view of a name; `None` if there is none.
    pub(crate) fn table(&self, schema: &str, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if schema == SEARCH_PATH {
            if let Some(given) = self.given.get(name) {
                return Ok(Some(Arc::clone(given)));
            }
            return match self.search(name)? {
                Some((schema, name)) => self.exact(schema, name),
                None => Ok(None),
            };
        }
        match self.spelling(schema, name) {
            Some(name) => self.exact(schema, name),
            None => Ok(None),
        }
    }

    /// Where a bare name is found; found twice is an error that lists both.
    fn search(&self, name: &str) -> Result<Option<(&'static str, &str)>> {
        let found = BARE_NAMES.into_iter().filter_map(|schema| Some((schema, self.spelling(schema, name)?)));
        let mut found: Vec<(&'static str, &str)> = found.collect();
        if found.len() > 1 {
            // What nobody declared leaves the bare name to the rest.
            found.retain(|(schema, name)| *schema != "metrics" || !self.views.is_automatic(name));
        }
        let mut found = found.into_iter();
        let Some(first) = found.next() else { return Ok(None) };
        let others: Vec<String> = found.map(|(schema, name)| format!("'{schema}.{name}'")).collect();
        if others.is_empty() {
            return Ok(Some(first));
        }
        let text =
            format!("'{name}' is ambiguous: it may be '{}.{}' or {}", first.0, first.1, others.join(" or "));
        Err(Error::Invalid(text).into_stream_item())
    }

    fn exact(&self, schema: &str, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let plan = match (schema, name) {
            ("warehouse", _) => return Ok(self.stored.get(name).map(|table| Arc::clone(&table.provider))),
            ("metrics", _) => return Ok(self.metric_view(name)),
            ("system", "metric_views") => return system::metric_views(&self.views).map(Some),
            ("system", "metrics") => return system::metrics(&self.definitions).map(Some),
            ("system", "dimensions") => return system::dimensions(&self.definitions).map(Some),
            ("events", _) => self.event_view(name)?,
            ("profiles", _) => self.renamed(&PROFILES, name)?,
            ("audiences", _) => self.audience_view(name)?,
            _ => None,
        };
        Ok(plan.map(|plan| Arc::new(ViewTable::new(plan, None)) as Arc<dyn TableProvider>))
    }

    fn stored(&self, name: &str) -> Option<Stored<'_>> {
        self.stored.get(name).map(|table| Stored { name: &table.name, provider: &table.provider })
    }

    fn metric_view(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        let view = self.views.view(name, &|query| declared_types(&self.definitions, query))?;
        let none = HashSet::new();
        Some(Arc::new(MetricViewTable::new(view, self.words.get().unwrap_or(&none))))
    }

    fn event_view(&self, name: &str) -> Result<Option<LogicalPlan>> {
        let table = if name == "all" { "events" } else { name };
        match (self.stored(table), self.stored("identity_map")) {
            (Some(events), Some(map)) => views::with_profile(events, map).map(Some),
            _ => Ok(None),
        }
    }

    fn renamed(&self, views: &[(&str, &str)], name: &str) -> Result<Option<LogicalPlan>> {
        let stored = views.iter().find(|(view, _)| *view == name).and_then(|(_, stored)| self.stored(stored));
        stored.map(views::plain).transpose()
    }

    fn audience_view(&self, name: &str) -> Result<Option<LogicalPlan>> {
        let Some(members) = self.stored("audience_members") else { return Ok(None) };
        if name == "catalog" {
            let declared = system::audiences(&self.definitions)?;
            return views::audience_catalog(declared, members, self.as_of).map(Some);
        }
        if let Some(plan) = self.renamed(&AUDIENCES, name)? {
            return Ok(Some(plan));
        }
        let audience = self.definitions.audiences.iter().find(|a| a.name.as_str() == name);
        audience.map(|a| views::audience(members, &a.name)).transpose()
    }

    /// Checks that a name in a statement exists, so that the text can say what was meant.
    pub(crate) fn check(&self, reference: &TableReference) -> std::result::Result<(), Error> {
        if reference.catalog().is_some_and(|catalog| !catalog.eq_ignore_ascii_case(CATALOG)) {
            return Err(Error::unknown("catalog", reference.to_string(), [CATALOG]));
        }
        let schema = reference.schema().unwrap_or(SEARCH_PATH);
        if schema == INFORMATION_SCHEMA || self.table(schema, reference.table())?.is_some() {
            return Ok(());
        }
        // No likeness is needed here: the name exists, only its schema is missing.
        let stored = self.spelling("warehouse", reference.table()).filter(|_| reference.schema().is_none());
        if let Some(table) = stored {
            let (name, suggestion) = (reference.to_string(), Some(format!("warehouse.{table}")));
            return Err(Error::Unknown { what: "table", name, suggestion });
        }
        let known: Vec<String> = match reference.schema() {
            None => BARE_NAMES.iter().flat_map(|schema| self.tables(schema)).collect(),
            Some(schema) if !SCHEMAS.contains(&schema) => {
                return Err(Error::unknown("schema", schema, SCHEMAS));
            }
            Some(schema) => self.tables(schema).into_iter().map(|t| format!("{schema}.{t}")).collect(),
        };
        Err(Error::unknown("table", reference.to_string(), known.iter().map(String::as_str)))
    }
}

/// The types of a metric query's columns, where the definitions tell all of them.
fn declared_types(definitions: &Catalog, query: &MetricQuery) -> Option<Vec<DataType>> {
    let compiled = semantic::compile(definitions, query).ok()?;
    crate::metric_views::types_of(&compiled)
}

/// [`Names`] as DataFusion wants to see them.
#[derive(Debug)]
pub(crate) struct NamesCatalog(pub(crate) Arc<Names>);

impl CatalogProvider for NamesCatalog {
    fn schema_names(&self) -> Vec<String> {
        SCHEMAS.map(str::to_owned).to_vec()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let name =
            SCHEMAS.into_iter().chain([SEARCH_PATH]).find(|schema| schema.eq_ignore_ascii_case(name))?;
        Some(Arc::new(NamesSchema { name, names: Arc::clone(&self.0) }))
    }
}

#[derive(Debug)]
struct NamesSchema {
    name: &'static str,
    names: Arc<Names>,
}

#[async_trait]
impl SchemaProvider for NamesSchema {
    fn table_names(&self) -> Vec<String> {
        self.names.tables(self.name)
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        self.names.table(self.name, name)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.names.spelling(self.name, name).is_some()
    }
}
