//! Building the state from the plan, the specs and what is stored.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::PathBuf,
};

use arrow::{
    array::{Array as _, BooleanArray, RecordBatch, cast::AsArray as _},
    compute::filter_record_batch,
    datatypes::Int64Type,
};
use model::Offset;

use crate::{
    Error,
    columns::{Columns, conform},
    delta::{DeltaFiles, Shared},
    delta_files,
    flatten::Flattener,
    key::{Key, key_of_row},
    keyed::{self, KeyedTable},
    layout::{self, Kind},
    log_table::LogTable,
    spec::{EventTablePlan, Options, TableSpec},
    state::{Body, EVENT_RANGES, State, conflict_columns, plain_columns},
};

/// The state as stored, and the data files nothing refers to.
pub(crate) async fn open(
    options: Options,
    plan: &[EventTablePlan],
    specs: Vec<TableSpec>,
) -> Result<(State, Vec<PathBuf>), Error> {
    fs::create_dir_all(&options.dir).map_err(|e| Error::folder(&options.dir, e))?;
    let shared = Shared::new();
    let mut opening =
        Opening { state: State::new(options.clone(), shared.clone()), shared, options, orphans: Vec::new() };
    opening.plain("events", layout::standard(Kind::Events), EVENT_RANGES).await?;
    opening.plain("etalon__conflicts", conflict_columns(), "log_offset").await?;
    for (name, kind) in [
        ("identifies", Kind::Identifies),
        ("pages", Kind::Views),
        ("screens", Kind::Views),
        ("groups", Kind::Groups),
        ("aliases", Kind::Aliases),
    ] {
        opening.typed(name, kind, None).await?;
    }
    for spec in specs {
        opening.of_caller(spec).await?;
    }
    for planned in plan {
        if !opening.state.knows(&planned.table) {
            opening.typed(&planned.table, Kind::Track, Some(planned)).await?;
        }
        opening.state.route(&planned.event, &planned.table);
    }
    opening.unplanned().await?;
    Ok((opening.state, opening.orphans))
}

struct Opening {
    state: State,
    shared: Shared,
    options: Options,
    orphans: Vec<PathBuf>,
}

impl Opening {
    async fn files(&mut self, name: &str, ranges: &'static str) -> Result<DeltaFiles, Error> {
        let files = DeltaFiles::open(&self.shared, &self.options.dir, name, ranges).await?;
        let live: HashSet<PathBuf> = files.live()?.into_iter().map(|(path, ..)| path).collect();
        let orphans = delta_files::orphans(files.dir(), &live);
        self.orphans.extend(orphans.map_err(|e| Error::folder(files.dir(), e))?);
        Ok(files)
    }

    async fn log_table(files: &DeltaFiles, mut columns: Columns) -> Result<LogTable, Error> {
        if let Some(stored) = files.schema()? {
            columns.adopt(&stored);
        }
        Ok(LogTable::new(columns, files.durable().await?, files.scan().await?))
    }

    async fn plain(&mut self, name: &str, columns: Columns, ranges: &'static str) -> Result<(), Error> {
        let files = self.files(name, ranges).await?;
        let table = Self::log_table(&files, columns).await?;
        self.state.add(name, Body::Plain(table), files);
        Ok(())
    }

    async fn typed(&mut self, name: &str, kind: Kind, plan: Option<&EventTablePlan>) -> Result<(), Error> {
        let files = self.files(name, EVENT_RANGES).await?;
        self.typed_from(name, kind, plan, files).await
    }

    async fn typed_from(
        &mut self,
        name: &str,
        kind: Kind,
        plan: Option<&EventTablePlan>,
        files: DeltaFiles,
    ) -> Result<(), Error> {
        let mut columns = layout::standard(kind);
        let mut flattener = Flattener::new(name, kind, plan, &mut columns, self.options.max_columns);
        let table = Self::log_table(&files, columns).await?;
        flattener.adopt(&table.columns);
        self.state.add(name, Body::Typed(table, flattener), files);
        Ok(())
    }

    async fn of_caller(&mut self, spec: TableSpec) -> Result<(), Error> {
        if spec.append_only {
            let ranges = spec.key.first().copied().unwrap_or("");
            return self.plain(spec.name, plain_columns(&spec), ranges).await;
        }
        let files = self.files(spec.name, keyed::OFFSET).await?;
        let name = spec.name;
        let mut table = KeyedTable::new(spec, self.options.compact_files);
        let versions = load_latest(&files, &mut table)?;
        let count = files.live()?.len() as u64;
        table.set_stored(files.durable().await?, versions, count);
        self.state.add(name, Body::Keyed(table), files);
        Ok(())
    }

    /// Tables of events that no plan declares, found by their folders.
    async fn unplanned(&mut self) -> Result<(), Error> {
        let dir = self.options.dir.clone();
        let mut names = Vec::new();
        for entry in fs::read_dir(&dir).map_err(|e| Error::folder(&dir, e))? {
            let entry = entry.map_err(|e| Error::folder(&dir, e))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        for name in names {
            if self.state.knows(&name) || !dir.join(&name).is_dir() {
                continue;
            }
            let files = self.files(&name, EVENT_RANGES).await?;
            let of_events = files.schema()?.is_some_and(|s| s.index_of("event_text").is_ok());
            if of_events {
                self.typed_from(&name, Kind::Track, None, files).await?;
            }
        }
        Ok(())
    }
}

/// Fills the table with the newest version of each key; says how many versions are stored.
fn load_latest(files: &DeltaFiles, table: &mut KeyedTable) -> Result<u64, Error> {
    let mut batches: Vec<RecordBatch> = Vec::new();
    for (path, ..) in files.live()? {
        let read = delta_files::read(&path).map_err(|e| Error::arrow(files.name(), e.into()))?;
        for batch in read {
            batches.push(batch.map_err(|e| Error::arrow(files.name(), e))?);
        }
    }
    let mut newest: HashMap<Key, (i64, usize, usize)> = HashMap::new();
    for (number, batch) in batches.iter_mut().enumerate() {
        *batch = conform(batch, &table.stored_schema()).map_err(|e| Error::arrow(files.name(), e))?;
        let offsets = batch[keyed::OFFSET].as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            let place = (offsets.value(row), number, row);
            let held = newest.entry(key_of_row(batch, table.key_columns(), row)).or_insert(place);
            if place.0 >= held.0 {
                *held = place;
            }
        }
    }
    let versions = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    let mut keep: Vec<Vec<bool>> = batches.iter().map(|batch| vec![false; batch.num_rows()]).collect();
    for (_, number, row) in newest.into_values() {
        let deleted = batches[number][keyed::DELETED].as_boolean();
        keep[number][row] = deleted.is_null(row) || !deleted.value(row);
    }
    for (batch, keep) in batches.iter().zip(keep) {
        let live = filter_record_batch(batch, &BooleanArray::from(keep));
        let loaded = live.and_then(|live| table.load(&live));
        loaded.map_err(|e| Error::arrow(files.name(), e))?;
    }
    Ok(versions)
}

/// `progress`: the offset up to which everything is stored, as a hint; the tables know better.
pub(crate) fn read_progress(path: &std::path::Path) -> Offset {
    let text = fs::read_to_string(path).unwrap_or_default();
    let offset = text.strip_prefix("1 ").and_then(|rest| rest.strip_suffix('\n')?.parse().ok());
    Offset(offset.unwrap_or(0))
}
