//! One Delta table on disk: opening it safely, appending with its offset, and replacing its files.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{array::RecordBatch, datatypes::Schema, datatypes::SchemaRef};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use deltalake::{
    DeltaTable, DeltaTableBuilder, DeltaTableError,
    delta_datafusion::DeltaScanNext,
    ensure_table_uri,
    kernel::{
        Action, MetadataExt as _, StructType, Transaction,
        engine::arrow_conversion::{TryIntoArrow as _, TryIntoKernel as _},
        transaction::{CommitBuilder, CommitProperties},
    },
    logstore::object_store::ObjectStore,
    operations::create::CreateBuilder,
    parquet::{basic::Compression, basic::ZstdLevel, file::properties::WriterProperties},
    protocol::{DeltaOperation, SaveMode},
    writer::{DeltaWriter as _, RecordBatchWriter, WriteMode},
};
use model::Offset;

use crate::{Error, delta_files, store::SyncedStore};

/// The `txn` action's application id.
const APP_ID: &str = "etalon";

/// What all tables share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    store: Arc<dyn ObjectStore>,
    session: Arc<SessionState>,
}

impl Shared {
    pub(crate) fn new() -> Self {
        let config = SessionConfig::new()
            .set_bool("datafusion.execution.parquet.schema_force_view_types", false)
            .set_bool("datafusion.execution.parquet.pushdown_filters", true);
        Self {
            store: Arc::new(SyncedStore::new()),
            session: Arc::new(SessionStateBuilder::new().with_config(config).build()),
        }
    }
}

/// The writer of one table. Whoever holds it is the only one to commit.
#[derive(Debug)]
pub(crate) struct DeltaFiles {
    name: String,
    dir: PathBuf,
    shared: Shared,
    table: Option<DeltaTable>,
    /// Columns whose ranges are kept per file, so that readers can skip files.
    ranges: &'static str,
    checkpoint: u64,
    broken: Option<String>,
}

/// How a commit changes the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Append,
    /// The new rows are the whole table.
    Replace,
}

impl DeltaFiles {
    /// Opens what is stored, after checking that the newest commit is whole; older ones were synced
    /// before it.
    pub(crate) async fn open(
        shared: &Shared,
        dir: &Path,
        name: &str,
        ranges: &'static str,
    ) -> Result<Self, Error> {
        let mut files = Self::absent(shared, dir, name, ranges);
        let found = delta_files::drop_torn_commits(&files.dir).map_err(|e| Error::folder(&files.dir, e))?;
        if found {
            let mut table = files.handle()?;
            table.load().await.map_err(|e| files.error(e))?;
            files.checkpoint = table.version().unwrap_or(0);
            files.table = Some(table);
        }
        Ok(files)
    }

    /// A table that has nothing stored; its files are made with its first rows.
    pub(crate) fn absent(shared: &Shared, dir: &Path, name: &str, ranges: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            dir: dir.join(name),
            shared: shared.clone(),
            table: None,
            ranges,
            checkpoint: 0,
            broken: None,
        }
    }

    fn error(&self, source: DeltaTableError) -> Error {
        Error::delta(&self.name, source)
    }

    fn handle(&self) -> Result<DeltaTable, Error> {
        fs::create_dir_all(&self.dir).map_err(|e| Error::folder(&self.dir, e))?;
        let url = ensure_table_uri(self.dir.to_string_lossy()).map_err(|e| self.error(e))?;
        let builder = DeltaTableBuilder::from_url(url.clone()).map_err(|e| self.error(e))?;
        builder.with_storage_backend(self.shared.store.clone(), url).build().map_err(|e| self.error(e))
    }

    /// Why nothing can be committed any more.
    pub(crate) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// The stored columns.
    pub(crate) fn schema(&self) -> Result<Option<Schema>, Error> {
        let Some(table) = &self.table else { return Ok(None) };
        let state = table.snapshot().map_err(|e| self.error(e))?;
        let schema = state.schema().as_ref().try_into_arrow();
        schema.map(Some).map_err(|e| Error::arrow(&self.name, e))
    }

    /// Everything before this offset is stored.
    pub(crate) async fn durable(&self) -> Result<Offset, Error> {
        let Some(table) = &self.table else { return Ok(Offset(0)) };
        let state = table.snapshot().map_err(|e| self.error(e))?;
        let version = state.transaction_version(table.log_store().as_ref(), APP_ID).await;
        let version = version.map_err(|e| self.error(e))?.unwrap_or(0);
        Ok(Offset(version.max(0).cast_unsigned()))
    }

    /// A scan of the present version; it stays readable while newer ones are committed.
    pub(crate) async fn scan(&self) -> Result<Option<Arc<DeltaScanNext>>, Error> {
        let Some(table) = &self.table else { return Ok(None) };
        let scan = table.table_provider().with_session(self.shared.session.clone()).build().await;
        let scan = scan.map_err(|e| self.error(DeltaTableError::from(e)))?;
        Ok(Some(Arc::new(scan)))
    }

    /// Paths, sizes and rows of the live files.
    pub(crate) fn live(&self) -> Result<Vec<(PathBuf, u64, u64)>, Error> {
        let Some(table) = &self.table else { return Ok(Vec::new()) };
        let state = table.snapshot().map_err(|e| self.error(e))?;
        Ok(state
            .log_data()
            .iter()
            .map(|file| {
                let path = self.dir.join(file.path().as_ref());
                (path, file.size().max(0).cast_unsigned(), file.num_records().unwrap_or(0) as u64)
            })
            .collect())
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    async fn create(&mut self, schema: &SchemaRef) -> Result<(), Error> {
        let handle = self.handle()?;
        let columns: StructType =
            schema.as_ref().try_into_kernel().map_err(|e| Error::arrow(&self.name, e))?;
        let created = CreateBuilder::new()
            .with_log_store(handle.log_store())
            .with_table_name(&self.name)
            .with_columns(columns.fields().cloned())
            .with_configuration([("delta.dataSkippingStatsColumns".to_owned(), Some(self.ranges.to_owned()))])
            .await;
        self.table = Some(created.map_err(|e| self.error(e))?);
        Ok(())
    }

    /// Stores rows and the offset they reach in one commit. A failure before the commit leaves the
    /// table as it was; a failure of the commit itself may have left either, so it is final.
    pub(crate) async fn commit(
        &mut self,
        batches: &[RecordBatch],
        schema: &SchemaRef,
        next: Offset,
        change: Change,
    ) -> Result<Vec<PathBuf>, Error> {
        if let Some(why) = &self.broken {
            return Err(Error::Stopped(why.clone()));
        }
        if self.table.is_none() {
            self.create(schema).await?;
        }
        let mut writer = self.writer()?;
        for batch in batches {
            let written = writer.write_with_mode(batch.clone(), WriteMode::MergeSchema).await;
            written.map_err(|e| self.error(e))?;
        }
        let adds = writer.flush().await.map_err(|e| self.error(e))?;
        let mut actions: Vec<Action> = adds.into_iter().map(Action::Add).collect();
        actions.extend(self.widened(&writer.arrow_schema())?);
        let mut replaced = Vec::new();
        if change == Change::Replace {
            actions.extend(self.removals(true, |_| true, &mut replaced)?);
        }
        let mode = if change == Change::Replace { SaveMode::Overwrite } else { SaveMode::Append };
        let operation = DeltaOperation::Write { mode, partition_by: None, predicate: None };
        self.commit_actions(actions, operation, Some(next)).await?;
        Ok(replaced)
    }

    pub(crate) fn writer(&self) -> Result<RecordBatchWriter, Error> {
        let table = self.table.as_ref().ok_or_else(|| Error::Damaged { table: self.name.clone() })?;
        let level = ZstdLevel::try_new(1).expect("level 1 exists");
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(128 * 1024))
            .build();
        let writer = RecordBatchWriter::for_table(table).map_err(|e| self.error(e))?;
        Ok(writer.with_writer_properties(properties))
    }

    /// A metadata action, if the rows have columns that the table has not.
    fn widened(&self, schema: &SchemaRef) -> Result<Option<Action>, Error> {
        let Some(table) = &self.table else { return Ok(None) };
        let state = table.snapshot().map_err(|e| self.error(e))?;
        if schema.fields().len() == state.schema().fields().len() {
            return Ok(None);
        }
        let columns: StructType =
            schema.as_ref().try_into_kernel().map_err(|e| Error::arrow(&self.name, e))?;
        let metadata = state.metadata().clone().with_schema(&columns);
        let metadata = metadata.map_err(|e| self.error(DeltaTableError::from(e)))?;
        Ok(Some(Action::Metadata(metadata)))
    }

    /// Actions that remove the live files which `chosen` picks.
    pub(crate) fn removals(
        &self,
        data_change: bool,
        chosen: impl Fn(&Path) -> bool,
        paths: &mut Vec<PathBuf>,
    ) -> Result<Vec<Action>, Error> {
        let Some(table) = &self.table else { return Ok(Vec::new()) };
        let state = table.snapshot().map_err(|e| self.error(e))?;
        let mut actions = Vec::new();
        for file in state.log_data().iter() {
            let path = self.dir.join(file.path().as_ref());
            if chosen(&path) {
                actions.push(Action::Remove(file.remove_action(data_change)));
                paths.push(path);
            }
        }
        Ok(actions)
    }

    pub(crate) async fn commit_actions(
        &mut self,
        actions: Vec<Action>,
        operation: DeltaOperation,
        next: Option<Offset>,
    ) -> Result<(), Error> {
        let Some(table) = &mut self.table else { return Ok(()) };
        let mut properties =
            CommitProperties::default().with_create_checkpoint(false).with_cleanup_expired_logs(Some(false));
        if let Some(next) = next {
            let version = i64::try_from(next.0).unwrap_or(i64::MAX);
            properties = properties.with_application_transaction(Transaction::new(APP_ID, version));
        }
        let state = table.snapshot().map_err(|e| Error::delta(&self.name, e))?.clone();
        let commit = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(&state), table.log_store(), operation)
            .await;
        match commit {
            Ok(done) => {
                table.state = Some(done.snapshot());
                Ok(())
            }
            Err(error) => {
                self.broken = Some(error.to_string());
                Err(Error::delta(&self.name, error))
            }
        }
    }

    /// Writes a checkpoint once enough commits have passed, and drops the log before the one before.
    pub(crate) async fn checkpoint(&mut self, commits: u64) -> Result<bool, Error> {
        let Some(table) = &mut self.table else { return Ok(false) };
        let version = table.version().unwrap_or(0);
        if version < self.checkpoint + commits {
            return Ok(false);
        }
        let done = deltalake::checkpoints::create_checkpoint(table, None).await;
        done.map_err(|e| Error::delta(&self.name, e))?;
        let dropped = delta_files::drop_old_log(&self.dir, self.checkpoint);
        dropped.map_err(|e| Error::folder(&self.dir, e))?;
        self.checkpoint = version;
        // The state in memory may refer to log files that are gone now.
        table.load().await.map_err(|e| Error::delta(&self.name, e))?;
        Ok(true)
    }
}
