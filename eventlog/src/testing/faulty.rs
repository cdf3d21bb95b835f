use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use rand::{SeedableRng as _, rngs::StdRng};

use super::disk::{Disk, FileId};
use crate::{Lock, Storage, StorageFile};

/// A disk in memory that breaks on demand. The same seed breaks it the same way. Clones are handles of
/// the same disk.
#[derive(Debug, Clone)]
pub struct FaultyStorage {
    machine: Arc<Machine>,
}

/// What goes wrong.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// The n-th sync of a file from now on fails (1 is the next one).
    pub fail_sync_after: Option<u64>,
    /// Writes beyond this many bytes on the disk find no space.
    pub capacity: Option<u64>,
    /// Every n-th write is short.
    pub short_write_every: Option<u64>,
    /// The power fails at the n-th change from now on (1 is the next one): it and everything after it
    /// fail until [`FaultyStorage::crash`].
    pub power_cut_after: Option<u64>,
}

#[derive(Debug)]
struct Machine {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    disk: Disk,
    random: StdRng,
    faults: Faults,
    writes: u64,
    syncs: u64,
    changes: u64,
    /// Files opened before a power cut are of no use after it.
    boot: u64,
    gated: bool,
    at_gate: bool,
}

#[derive(Debug)]
struct FaultyFile {
    machine: Arc<Machine>,
    id: FileId,
    boot: u64,
}

/// Holds syncs until it is dropped.
#[derive(Debug)]
pub struct SyncGate {
    machine: Arc<Machine>,
}

impl FaultyStorage {
    /// An empty disk that works.
    pub fn new(seed: u64) -> Self {
        let state = State {
            disk: Disk::default(),
            random: StdRng::seed_from_u64(seed),
            faults: Faults::default(),
            writes: 0,
            syncs: 0,
            changes: 0,
            boot: 0,
            gated: false,
            at_gate: false,
        };
        Self { machine: Arc::new(Machine { state: Mutex::new(state), changed: Condvar::new() }) }
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.machine.state().faults = faults;
    }

    /// Cuts the power and turns it on again: what was not synced is lost, or part of it, names too, and
    /// everything works again.
    pub fn crash(&self) {
        let state = &mut *self.machine.state();
        state.disk.lose_power(&mut state.random);
        state.boot += 1;
        state.faults = Faults::default();
    }

    /// Syncs of files so far, failed ones included.
    pub fn syncs(&self) -> u64 {
        self.machine.state().syncs
    }

    /// Changes so far: what [`Faults::power_cut_after`] counts.
    pub fn changes(&self) -> u64 {
        self.machine.state().changes
    }

    /// Bytes on the disk.
    pub fn bytes(&self) -> u64 {
        self.machine.state().disk.bytes()
    }

    /// Files and what is in them.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.machine.state();
        let content = |id: &FileId| state.disk.files.get(id).map(|c| c.bytes.clone()).unwrap_or_default();
        state.disk.names.iter().map(|(path, id)| (path.clone(), content(id))).collect()
    }

    /// Puts a file there, durably.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        let mut state = self.machine.state();
        let id = state.disk.create(path.to_owned());
        state.disk.files.entry(id).or_default().replace(bytes);
        state.disk.sync_names();
    }

    /// Takes a file away, durably.
    pub fn take(&self, path: &Path) {
        let mut state = self.machine.state();
        state.disk.set_name(path.to_owned(), None);
        state.disk.sync_names();
    }

    /// Holds every sync of a file from now on.
    pub fn gate_syncs(&self) -> SyncGate {
        self.machine.state().gated = true;
        SyncGate { machine: Arc::clone(&self.machine) }
    }
}

impl SyncGate {
    /// Blocks until a sync is held.
    pub fn wait_until_held(&self) {
        let mut state = self.machine.state();
        while !state.at_gate {
            state = self.machine.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for SyncGate {
    fn drop(&mut self) {
        self.machine.state().gated = false;
        self.machine.changed.notify_all();
    }
}

impl Machine {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts a change, unless the power is off.
    fn change(&mut self) -> io::Result<()> {
        self.changes += 1;
        if let Some(left) = &mut self.faults.power_cut_after {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return Err(io::Error::other("the power is off"));
            }
        }
        Ok(())
    }

    /// How many bytes there is room for, when writing makes a file longer by this much.
    fn room(&self, longer: u64) -> u64 {
        let Some(capacity) = self.faults.capacity else { return longer };
        longer.min(capacity.saturating_sub(self.disk.bytes()))
    }

    fn fails_sync(&mut self) -> bool {
        let Some(left) = &mut self.faults.fail_sync_after else { return false };
        *left = left.saturating_sub(1);
        let now = *left == 0;
        if now {
            self.faults.fail_sync_after = None;
        }
        now
    }
}

impl Storage for FaultyStorage {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        self.machine.state().change()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.machine.state();
        let inside = state.disk.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let state = self.machine.state();
        let id = *state.disk.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(FaultyFile { machine: Arc::clone(&self.machine), id, boot: state.boot }))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let mut state = self.machine.state();
        state.change()?;
        let id = state.disk.create(path.to_owned());
        Ok(Box::new(FaultyFile { machine: Arc::clone(&self.machine), id, boot: state.boot }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.machine.state();
        state.change()?;
        let id = *state.disk.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        // One change in fact; two here, the new name first, which is no more than a copy left over.
        state.disk.set_name(to.to_owned(), Some(id));
        state.disk.set_name(from.to_owned(), None);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.machine.state();
        state.change()?;
        state.disk.set_name(path.to_owned(), None);
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut state = self.machine.state();
        state.change()?;
        state.disk.sync_names();
        Ok(())
    }

    fn lock(&self, path: &Path, holder: &str) -> io::Result<Lock> {
        let mut state = self.machine.state();
        if !state.disk.locks.insert(path.to_owned()) {
            return Ok(Lock::HeldBy(holder.to_owned()));
        }
        let held = Held { machine: Arc::clone(&self.machine), path: path.to_owned(), boot: state.boot };
        Ok(Lock::Taken(Box::new(held)))
    }
}

#[derive(Debug)]
struct Held {
    machine: Arc<Machine>,
    path: PathBuf,
    boot: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.machine.state();
        if state.boot == self.boot {
            state.disk.locks.remove(&self.path);
        }
    }
}

impl FaultyFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.machine.state();
        if state.boot == self.boot { Ok(state) } else { Err(io::Error::other("opened before a power cut")) }
    }
}

impl StorageFile for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state()?.disk.files.get(&self.id).map_or(0, |content| content.bytes.len() as u64))
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let state = self.state()?;
        let bytes = state.disk.files.get(&self.id).map_or(&[][..], |content| &content.bytes);
        let rest = bytes.get(at as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        let mut state = self.state()?;
        state.change()?;
        state.writes += 1;
        let mut length = bytes.len();
        if state.faults.short_write_every.is_some_and(|n| state.writes.is_multiple_of(n)) {
            length = length.div_ceil(2);
        }
        let present = state.disk.files.get(&self.id).map_or(0, |content| content.bytes.len() as u64);
        let longer = (at + length as u64).saturating_sub(present);
        length -= (longer - state.room(longer)).min(length as u64) as usize;
        if length == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.disk.files.entry(self.id).or_default().write(at as usize, &bytes[..length]);
        Ok(length)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.state()?;
        state.change()?;
        state.disk.files.entry(self.id).or_default().set_length(length as usize);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state()?;
        state.change()?;
        state.syncs += 1;
        while state.gated {
            state.at_gate = true;
            self.machine.changed.notify_all();
            state = self.machine.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.at_gate = false;
        if state.fails_sync() {
            return Err(io::Error::other("input/output error"));
        }
        state.disk.files.entry(self.id).or_default().sync();
        Ok(())
    }
}
