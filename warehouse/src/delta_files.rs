//! The files of a Delta table seen as files: is the newest commit whole, what can go.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use arrow::array::RecordBatch;
use deltalake::parquet::{
    arrow::arrow_reader::ParquetRecordBatchReaderBuilder, errors::ParquetError,
    file::reader::SerializedFileReader,
};
use serde_json::Value;

use crate::{columns::CHUNK_ROWS, store};

const LOG: &str = "_delta_log";

/// Moves a torn checkpoint and torn newest commits out of the way; says whether a table is left. The
/// rows of a torn commit are still on the log, because its offset was never reported durable.
pub(crate) fn drop_torn_commits(dir: &Path) -> io::Result<bool> {
    let log = dir.join(LOG);
    let names = match list(&log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        names => names?,
    };
    let checkpoint = names.iter().rfind(|name| name.ends_with(".checkpoint.parquet"));
    if let Some(name) = checkpoint
        && File::open(log.join(name)).map(SerializedFileReader::new)?.is_err()
    {
        set_aside(&log, name)?;
        remove_if_there(&log.join("_last_checkpoint"))?;
    }
    let mut left = checkpoint.is_some();
    for name in names.iter().rev().filter(|name| name.ends_with(".json")) {
        if commit_is_whole(dir, &log.join(name))? {
            left = true;
            break;
        }
        tracing::warn!(commit = %log.join(name).display(), "torn commit set aside, its rows are replayed");
        set_aside(&log, name)?;
    }
    Ok(left)
}

fn set_aside(log: &Path, name: &str) -> io::Result<()> {
    fs::rename(log.join(name), log.join(format!("_torn_{name}")))?;
    store::sync_folder(log)
}

fn commit_is_whole(dir: &Path, commit: &Path) -> io::Result<bool> {
    let text = fs::read_to_string(commit)?;
    let mut actions = 0;
    for line in text.lines().filter(|line| !line.is_empty()) {
        let Ok(action) = serde_json::from_str::<Value>(line) else { return Ok(false) };
        actions += 1;
        let add = &action["add"];
        let (Some(path), Some(size)) = (add["path"].as_str(), add["size"].as_u64()) else { continue };
        if fs::metadata(dir.join(path)).map(|file| file.len()).ok() != Some(size) {
            return Ok(false);
        }
    }
    Ok(actions > 0)
}

/// Removes commits and checkpoints before `version`, a checkpoint that a newer one has replaced.
pub(crate) fn drop_old_log(dir: &Path, version: u64) -> io::Result<()> {
    let log = dir.join(LOG);
    for name in list(&log)? {
        let number = name.get(..20).and_then(|digits| digits.parse::<u64>().ok());
        if number.is_some_and(|number| number < version) {
            remove_if_there(&log.join(name))?;
        }
    }
    Ok(())
}

/// Data files that no commit refers to: leftovers of a crash, or replaced before a restart.
pub(crate) fn orphans(dir: &Path, live: &HashSet<PathBuf>) -> io::Result<Vec<PathBuf>> {
    let names = match list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names?,
    };
    let files = names.into_iter().filter(|name| name.contains(".parquet")).map(|name| dir.join(name));
    Ok(files.filter(|path| !live.contains(path)).collect())
}

pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn list(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Reads a data file, a bounded batch at a time.
pub(crate) fn read(
    path: &Path,
) -> Result<impl Iterator<Item = Result<RecordBatch, arrow::error::ArrowError>>, ParquetError> {
    let file = File::open(path)?;
    ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(CHUNK_ROWS).build()
}
