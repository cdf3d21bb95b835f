use std::{
    sync::{Arc, atomic::Ordering},
    thread,
};

use model::{Clock, Offset, Timestamp};

use super::{
    FULL, Shared, lock,
    manifest::{Manifest, ManifestFile},
    queue::{Pending, Work},
    recovery::open_manifest,
    segment::Segment,
};
use crate::{
    AppendError, Appended, Error, Options, StorageFile,
    batch::Block,
    body::Body,
    format::{BatchHeader, encode_batch},
    storage::write_all,
};

/// What one commit takes of what waits, before compression. While it is written and synced the next
/// group gathers, so an idle log commits at once and a busy one in large groups.
const GROUP_BYTES: usize = 4 << 20;

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) segment: Arc<Segment>,
    pub(super) file: Box<dyn StorageFile>,
    /// Where the next batch goes: everything before it is on stable storage.
    pub(super) at: u64,
    pub(super) next: Offset,
    pub(super) clock: Timestamp,
    /// Running checksum of the segment.
    pub(super) chain: u32,
}

/// The one thread that writes.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) options: Options,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) active: Active,
    pub(super) manifest: ManifestFile,
    body: Body,
    buffer: Vec<u8>,
}

/// The storage broke, and everybody has been told.
struct Broken;

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        options: Options,
        clock: Arc<dyn Clock>,
        active: Active,
        manifest: ManifestFile,
    ) -> Self {
        Self { shared, options, clock, active, manifest, body: Body::default(), buffer: Vec::new() }
    }

    pub(super) fn run(mut self) {
        let _exit = Exit(Arc::clone(&self.shared));
        loop {
            let done = match self.shared.queue.take(GROUP_BYTES) {
                Work::Group(group) => self.commit(group).and_then(|()| self.retain()),
                Work::Retention => self.retain(),
                Work::Stop => return self.close(),
            };
            if done.is_err() {
                return;
            }
        }
    }

    /// Stores a group and answers it.
    fn commit(&mut self, mut group: Vec<Pending>) -> Result<(), Broken> {
        // Nobody waits for these any more: the client is told to send them again.
        group.retain(|pending| !pending.reply.is_closed());
        if group.is_empty() {
            return Ok(());
        }
        self.body.clear();
        group.iter().for_each(|pending| self.body.append(&pending.body));
        match self.store() {
            Ok(header) => {
                self.publish(&header, group.len());
                acknowledge(group, &header);
                Ok(())
            }
            Err(error) if error.is_full() => {
                tracing::warn!(%error, "no space left for the event log, appends are refused");
                self.shared.counters.full.fetch_add(1, Ordering::Relaxed);
                refuse(group, FULL);
                Ok(())
            }
            Err(error) => {
                let broken = self.fail(&error);
                refuse(group, AppendError::Failed);
                Err(broken)
            }
        }
    }

    /// Writes and syncs `self.body` as one batch. After an error the log is as it was before.
    fn store(&mut self) -> Result<BatchHeader, Error> {
        // An empty segment is never full: its successor would take its name.
        if self.active.next > self.active.segment.base() && self.active.at >= self.options.segment_bytes {
            self.roll()?;
        }
        let active = &mut self.active;
        let path = &active.segment.path;
        let clock = active.clock.max(self.clock.now());
        let header = encode_batch(active.segment.salt, active.next, clock, &self.body, &mut self.buffer);
        if let Err(error) = write_all(&*active.file, &self.buffer, active.at) {
            let error = Error::io("write", path)(error);
            if error.is_full() {
                active.file.truncate(active.at).map_err(Error::io("truncate", path))?;
            }
            return Err(error);
        }
        self.shared.counters.syncs.fetch_add(1, Ordering::Relaxed);
        active.file.sync().map_err(Error::io("sync", path))?;
        active.chain = header.chain(active.segment.salt, active.chain);
        active.clock = clock;
        active.next = header.next();
        active.at += header.length();
        Ok(header)
    }

    /// Starts the next segment. Tried again with the next group if there is no space for it.
    fn roll(&mut self) -> Result<(), Error> {
        let next = self.active.successor(&*self.shared.storage, &self.shared.dir, self.active.next)?;
        let mut segments = self.shared.segments().clone();
        segments.push(Arc::clone(&next.segment));
        self.manifest.store(open_manifest(&segments))?;
        *self.shared.segments_mut() = segments;
        self.active = next;
        Ok(())
    }

    /// Shows a durable batch to readers.
    fn publish(&mut self, header: &BatchHeader, appends: usize) {
        let start = self.active.at - header.length();
        self.active.segment.grow(header.base, start, self.active.at);
        let counters = &self.shared.counters;
        let add = |counter: &std::sync::atomic::AtomicU64, n| _ = counter.fetch_add(n, Ordering::Relaxed);
        add(&counters.commits, 1);
        add(&counters.appends, appends as u64);
        add(&counters.records, u64::from(header.count));
        add(&counters.bytes, u64::from(header.raw));
        add(&counters.bytes_written, header.length());
        let body = std::mem::take(&mut self.body.bytes);
        let block = Block::new(header.base, header.clock, header.count, body);
        self.shared.cache.committed(Arc::new(block.expect("a body just encoded is one")));
        self.shared.at.store(header.clock.as_micros(), Ordering::Release);
        self.shared.end.send_replace(header.next());
    }

    fn retain(&mut self) -> Result<(), Broken> {
        self.remove_old_segments().map_err(|error| self.fail(&error))
    }

    /// Nothing is acknowledged any more, and nothing synced again: a second sync may claim a success
    /// that is none.
    fn fail(&self, error: &Error) -> Broken {
        let reason = std::error::Error::source(error).map_or_else(String::new, |s| format!(": {s}"));
        self.shared.fail(format!("{error}{reason}"));
        Broken
    }

    /// Everything is committed: says so on disk, and leaves the folder to others.
    fn close(&mut self) {
        let manifest = Manifest { closed: Some(self.active.next), ..open_manifest(&self.shared.segments()) };
        match self.manifest.store(manifest) {
            Ok(()) => _ = lock(&self.shared.lock).take(),
            // The next start then takes it for an unclean end, which is safe.
            Err(error) => tracing::warn!(%error, "event log could not note that it was closed"),
        }
    }
}

impl Shared {
    fn fail(&self, reason: String) {
        tracing::error!(reason, "event log has stopped");
        self.failed.send_replace(Some(reason));
        refuse(self.queue.fail(), AppendError::Failed);
    }
}

fn acknowledge(group: Vec<Pending>, header: &BatchHeader) {
    let mut first = header.base;
    for pending in group {
        let next = first.plus(u64::from(pending.body.count));
        // A caller that left meanwhile does not want to know.
        let _ = pending.reply.send(Ok(Appended { first, next, at: header.clock }));
        first = next;
    }
}

fn refuse(group: Vec<Pending>, error: AppendError) {
    for pending in group {
        // A caller that left meanwhile does not want to know.
        let _ = pending.reply.send(Err(error));
    }
}

/// However the writer ends, nobody waits for it in vain.
struct Exit(Arc<Shared>);

impl Drop for Exit {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail("the writer of the event log panicked".to_owned());
        }
        refuse(self.0.queue.fail(), AppendError::Failed);
        self.0.stopped.send_replace(true);
    }
}
