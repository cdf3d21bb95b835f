//! Keeps long runs readable: few files per table, a short log, no files that nobody reads.

use std::path::PathBuf;

use deltalake::{
    kernel::Action,
    protocol::DeltaOperation,
    writer::{DeltaWriter as _, RecordBatchWriter},
};
use tokio::sync::mpsc;

use crate::{Error, columns::conform, delta::DeltaFiles, delta_files};

/// Batches read ahead while a compaction writes.
const READ_AHEAD: usize = 4;

/// The files worth merging: the small ones, smallest first, leaving out one that is much larger than
/// all before it, so that each row is rewritten a few times only.
pub(crate) fn choose(files: Vec<(PathBuf, u64, u64)>, least: usize, small: u64) -> Vec<PathBuf> {
    let mut files: Vec<_> = files.into_iter().filter(|(_, size, _)| *size < small).collect();
    if files.len() < least {
        return Vec::new();
    }
    files.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
    let mut sum = 0;
    let mut chosen = Vec::new();
    for (path, size, _) in files {
        if chosen.len() >= least / 2 && size > sum {
            break;
        }
        sum += size;
        chosen.push(path);
    }
    if chosen.len() < 2 { Vec::new() } else { chosen }
}

/// Copies the rows of `paths` into new files. Nothing refers to them yet.
pub(crate) async fn merge(
    name: &str,
    mut writer: RecordBatchWriter,
    paths: Vec<PathBuf>,
) -> Result<Vec<Action>, Error> {
    let (send, mut receive) = mpsc::channel(READ_AHEAD);
    let reader = tokio::task::spawn_blocking(move || {
        for path in paths {
            let batches = match delta_files::read(&path) {
                Ok(batches) => batches,
                Err(error) => {
                    // The writer is gone only if it failed itself.
                    _ = send.blocking_send(Err(error.into()));
                    return;
                }
            };
            for batch in batches {
                if send.blocking_send(batch).is_err() {
                    return;
                }
            }
        }
    });
    let schema = writer.arrow_schema();
    while let Some(batch) = receive.recv().await {
        let batch = batch.and_then(|batch| conform(&batch, &schema));
        let batch = batch.map_err(|e| Error::arrow(name, e))?;
        writer.write(batch).await.map_err(|e| Error::delta(name, e))?;
    }
    drop(receive);
    if reader.await.is_err() {
        return Err(Error::Damaged { table: name.to_owned() });
    }
    let adds = writer.flush().await.map_err(|e| Error::delta(name, e))?;
    Ok(adds
        .into_iter()
        .map(|mut add| {
            add.data_change = false;
            Action::Add(add)
        })
        .collect())
}

/// Puts merged files in the place of the old ones; says which files nothing refers to any more.
pub(crate) async fn replace(
    files: &mut DeltaFiles,
    merged: Vec<Action>,
    old: &[PathBuf],
    target: u64,
) -> Result<Vec<PathBuf>, Error> {
    let mut retired = Vec::new();
    let mut actions = files.removals(false, |path| old.iter().any(|o| o == path), &mut retired)?;
    actions.extend(merged);
    let operation = DeltaOperation::Optimize { predicate: None, target_size: target.cast_signed() };
    files.commit_actions(actions, operation, None).await?;
    Ok(retired)
}
