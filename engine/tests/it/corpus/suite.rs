use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::{StreamExt, stream};
use semantic::{Catalog, Compiled, Dialect, SourceFile};

use super::{
    Embedded, Postgres,
    answer::Answer,
    case::{self, Case, Outcome},
    compare,
    table::{self, Table},
};

/// Questions under way at once.
const AT_ONCE: usize = 4;
/// Why a case cannot be asked in a form.
const NOT_LOADED: &str = "the definitions do not load";

/// Cases over one set of tables, and the forms their definitions come in.
#[derive(Debug)]
pub struct Suite {
    pub cases: Vec<Arc<Case>>,
    tables: Vec<Table>,
    definitions: PathBuf,
    /// Every form gives the same answers; metrics that a form lacks are not asked in it.
    forms: &'static [Form],
    schemas: &'static [&'static str],
}

/// A way to write definitions: the file's name, and the metrics it cannot say.
#[derive(Debug)]
pub struct Form {
    pub file: &'static str,
    pub lacks: &'static [&'static str],
}

/// An answer that is not right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    pub case: String,
    pub engine: &'static str,
    pub form: &'static str,
    pub difference: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {}): {}", self.case, self.engine, self.form, self.difference)
    }
}

/// The catalogs of one manifest, in the order of the forms.
type Catalogs = Vec<Result<Arc<Catalog>, String>>;

#[derive(Debug)]
struct Engines {
    embedded: Embedded,
    postgres: Postgres,
}

impl Suite {
    /// Reads a suite. Every schema of `schemas` holds every table.
    pub fn read(folder: &Path, forms: &'static [Form], schemas: &'static [&'static str]) -> Self {
        let cases: Vec<Arc<Case>> = case::read_all(folder).into_iter().map(Arc::new).collect();
        for case in &cases {
            let Outcome::Rows(expected) = &case.outcome else { continue };
            if !expected.truncated && !expected.checksum.is_empty() {
                let sum = compare::checksum(&expected.columns, &expected.rows);
                assert_eq!(sum, expected.checksum, "the listed rows of {}", case.name);
            }
        }
        let (tables, definitions) = (table::read_all(folder), folder.join("definitions"));
        Self { cases, tables, definitions, forms, schemas }
    }

    /// Answers every case on both engines in every form.
    pub async fn run(&self) -> Vec<Failure> {
        let manifests: BTreeSet<&str> = self.cases.iter().map(|c| c.manifest.as_str()).collect();
        let catalogs: BTreeMap<&str, Arc<Catalogs>> =
            manifests.into_iter().map(|m| (m, Arc::new(self.catalogs(m)))).collect();
        let engines = Arc::new(Engines {
            embedded: Embedded::over(&self.tables, self.schemas),
            postgres: Postgres::over(&self.tables, self.schemas).await,
        });
        let (forms, schemas) = (self.forms, self.schemas);
        let asked = stream::iter(self.cases.iter().cloned()).map(|case| {
            let (catalogs, engines) = (Arc::clone(&catalogs[case.manifest.as_str()]), Arc::clone(&engines));
            let name = case.name.clone();
            let task = tokio::spawn(async move { judge(&case, forms, schemas, &catalogs, &engines).await });
            async move {
                let panicked = |error: tokio::task::JoinError| {
                    vec![Failure { case: name, engine: "any", form: "any", difference: error.to_string() }]
                };
                task.await.unwrap_or_else(panicked)
            }
        });
        let mut failures: Vec<Failure> = asked.buffer_unordered(AT_ONCE).concat().await;
        failures.sort();
        failures
    }

    fn catalogs(&self, manifest: &str) -> Catalogs {
        let load = |form: &Form| {
            let path = self.definitions.join(manifest).join(form.file);
            let text = fs::read_to_string(&path).unwrap();
            let name = format!("{manifest}/{}", form.file).into();
            let loaded = semantic::load(&[SourceFile { name, text }], &|_| None);
            let first = || loaded.diagnostics.first().map(ToString::to_string).unwrap_or_default();
            loaded.catalog.clone().map(Arc::new).ok_or_else(first)
        };
        self.forms.iter().map(load).collect()
    }
}

async fn judge(
    case: &Case,
    forms: &'static [Form],
    schemas: &[&str],
    catalogs: &Catalogs,
    engines: &Engines,
) -> Vec<Failure> {
    let mut failures = Vec::new();
    let mut seen: BTreeSet<(&str, String)> = BTreeSet::new();
    for (form, catalog) in forms.iter().zip(catalogs) {
        if case.query.metrics.iter().filter_map(|m| m.column()).any(|m| form.lacks.contains(&m)) {
            continue;
        }
        let mut fail = |engine, difference: String| {
            failures.push(Failure { case: case.name.clone(), engine, form: form.file, difference });
        };
        let catalog = match catalog {
            Ok(catalog) => catalog,
            Err(first) => {
                fail("any", format!("{NOT_LOADED}: {first}"));
                continue;
            }
        };
        let mut answers: Vec<Answer> = Vec::new();
        for (engine, dialect) in [("datafusion", Dialect::DataFusion), ("postgresql", Dialect::PostgreSql)] {
            if !case.engines.is_empty() && !case.engines.iter().any(|e| e == engine) {
                continue;
            }
            let compiled = match (semantic::compile_for(catalog, &case.query, dialect), &case.outcome) {
                (Ok(_), Outcome::Refused(_)) => {
                    fail(engine, "answered instead of refused".to_owned());
                    continue;
                }
                (Err(faults), Outcome::Refused(expected)) => {
                    let messages: Vec<String> = faults.iter().map(|fault| fault.message.clone()).collect();
                    if messages != *expected {
                        fail(engine, format!("refused with {messages:?} instead of {expected:?}"));
                    }
                    continue;
                }
                (Err(_), Outcome::Rows(_)) if case.features.iter().any(|f| f.starts_with("APPROXIMATE")) => {
                    // The engine has no such function and says so.
                    continue;
                }
                (Err(faults), Outcome::Rows(_)) => {
                    let messages: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
                    fail(engine, format!("refused: {}", messages.join("; ")));
                    continue;
                }
                (Ok(compiled), Outcome::Rows(_)) => compiled,
            };
            if !seen.insert((engine, comparable(&compiled.sql, schemas))) {
                // Another form asked the same.
                continue;
            }
            let answer = engines.answer(dialect, &compiled).await;
            let Outcome::Rows(expected) = &case.outcome else { continue };
            match answer {
                Ok(answer) => {
                    if let Err(difference) = compare::difference(expected, case.check_order, &answer) {
                        fail(engine, difference);
                    }
                    answers.push(answer);
                }
                Err(error) => fail(engine, format!("does not run: {error}\n{}", compiled.sql)),
            }
        }
        if let [one, other] = answers.as_slice()
            && let Some(difference) = one.type_difference(other)
        {
            fail("both", format!("types differ: {difference}"));
        }
    }
    failures
}

impl Engines {
    async fn answer(&self, dialect: Dialect, compiled: &Compiled) -> Result<Answer, String> {
        match dialect {
            Dialect::DataFusion => self.embedded.answer(compiled).await,
            _ => self.postgres.answer(&compiled.sql).await,
        }
    }
}

/// The text with one name for all schemas: they hold the same tables.
fn comparable(sql: &str, schemas: &[&str]) -> String {
    schemas.iter().fold(sql.to_owned(), |sql, schema| sql.replace(&format!("{schema}."), "any."))
}
