//! What a disk holds, now and after a power cut.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
};

use rand::{Rng as _, rngs::StdRng};

/// A power cut keeps or loses unsynced data by the block.
const BLOCK_BYTES: usize = 512;

pub(super) type FileId = u64;

#[derive(Debug, Default)]
pub(super) struct Disk {
    /// Names as programs see them.
    pub(super) names: BTreeMap<PathBuf, FileId>,
    /// Names after a power cut, and the changes it may or may not keep, in order.
    durable_names: BTreeMap<PathBuf, FileId>,
    unsynced_names: Vec<(PathBuf, Option<FileId>)>,
    pub(super) files: HashMap<FileId, Content>,
    pub(super) locks: BTreeSet<PathBuf>,
    next_id: FileId,
}

#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Disk {
    pub(super) fn create(&mut self, path: PathBuf) -> FileId {
        if let Some(id) = self.names.get(&path) {
            let id = *id;
            self.files.entry(id).or_default().set_length(0);
            return id;
        }
        self.next_id += 1;
        self.files.insert(self.next_id, Content::default());
        self.set_name(path, Some(self.next_id));
        self.next_id
    }

    pub(super) fn set_name(&mut self, path: PathBuf, file: Option<FileId>) {
        match file {
            Some(id) => _ = self.names.insert(path.clone(), id),
            None => _ = self.names.remove(&path),
        }
        self.unsynced_names.push((path, file));
    }

    pub(super) fn sync_names(&mut self) {
        self.durable_names = self.names.clone();
        self.unsynced_names.clear();
    }

    pub(super) fn bytes(&self) -> u64 {
        let lengths = self.names.values().filter_map(|id| self.files.get(id));
        lengths.map(|content| content.bytes.len() as u64).sum()
    }

    /// Loses what was not synced, or some of it: the first few changes of names stay, and any blocks.
    pub(super) fn lose_power(&mut self, random: &mut StdRng) {
        let kept = random.random_range(0..=self.unsynced_names.len());
        for (path, file) in self.unsynced_names.drain(..).take(kept) {
            match file {
                Some(id) => _ = self.durable_names.insert(path, id),
                None => _ = self.durable_names.remove(&path),
            }
        }
        self.names = self.durable_names.clone();
        let used: BTreeSet<_> = self.names.values().copied().collect();
        self.files.retain(|id, _| used.contains(id));
        let mut ids: Vec<_> = self.files.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            self.files.entry(id).or_default().lose_power(random);
        }
        self.locks.clear();
    }
}

impl Content {
    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        write(&mut self.bytes, at, bytes);
        self.unsynced.push(Change::Write { at, bytes: bytes.to_vec() });
    }

    pub(super) fn set_length(&mut self, length: usize) {
        self.bytes.resize(length, 0);
        self.unsynced.push(Change::Length(length));
    }

    pub(super) fn sync(&mut self) {
        self.synced.clone_from(&self.bytes);
        self.unsynced.clear();
    }

    /// Replaces the content, on stable storage too.
    pub(super) fn replace(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
        self.sync();
    }

    fn lose_power(&mut self, random: &mut StdRng) {
        let mut bytes = std::mem::take(&mut self.synced);
        // All, none, or a mixture: each is a case of its own.
        let chance = [0.0, 0.5, 1.0][random.random_range(0..3)];
        for change in self.unsynced.drain(..) {
            match change {
                Change::Length(length) if random.random_bool(chance) => bytes.resize(length, 0),
                Change::Length(_) => {}
                Change::Write { at, bytes: written } => {
                    for (index, block) in written.chunks(BLOCK_BYTES).enumerate() {
                        if random.random_bool(chance) {
                            write(&mut bytes, at + index * BLOCK_BYTES, block);
                        }
                    }
                }
            }
        }
        self.replace(bytes);
    }
}

fn write(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[at..end].copy_from_slice(bytes);
}
