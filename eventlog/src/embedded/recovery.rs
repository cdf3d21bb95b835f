//! Opening: what is there, is it the whole log, where does it end.
//!
//! Every step may be interrupted and done again with the same result: the old file of the newest segment
//! stays until its repaired copy, synced, takes its name.

use std::{path::Path, sync::Arc};

use model::{Clock, Offset};

use super::{
    manifest::{Manifest, ManifestFile},
    segment::{Segment, base_of, file_name, read_header},
    tail::Survey,
    writer::Active,
};
use crate::{
    Damage, Error, Lock, Options, Recovery, Storage, StorageFile,
    format::{FILE_HEADER_BYTES, FileHeader, HeaderError, Previous},
    storage::{read_up_to, write_all},
};

const LOCK_FILE: &str = "lock";
const COPY_SUFFIX: &str = ".copy";
const COPY_CHUNK_BYTES: usize = 1 << 20;

/// A log ready to be written to.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) lock: Lock,
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) active: Active,
    pub(super) manifest: ManifestFile,
    pub(super) recovery: Recovery,
}

pub(super) fn recover(
    options: &Options,
    storage: &dyn Storage,
    clock: &dyn Clock,
) -> Result<Recovered, Error> {
    let dir = &options.dir;
    storage.create_dir(dir).map_err(Error::io("create", dir))?;
    let lock = take_lock(storage, dir)?;
    let (mut manifest_file, manifest) = ManifestFile::open(storage, dir)?;
    let mut found = find_segments(storage, dir, manifest)?;
    let Some((newest, file, sound)) = found.pop() else {
        if let Some(Manifest { oldest, newest, .. }) = manifest {
            return Err(Error::Missing { first: oldest, next: newest, file: file_name(newest) });
        }
        let header = FileHeader { id: 0, base: Offset(0), previous: None, clock: clock.now() };
        let (segment, file) = Segment::create(storage, dir, header)?;
        let active = Active::new(Arc::new(segment), file);
        let recovery = Recovery { segments: 1, clean: true, ..Recovery::default() };
        let segments = vec![Arc::clone(&active.segment)];
        manifest_file.store(open_manifest(&segments))?;
        return Ok(Recovered { lock, segments, active, manifest: manifest_file, recovery });
    };
    let mut segments: Vec<_> = found.into_iter().map(|(segment, ..)| Arc::new(segment)).collect();
    let (mut active, mut recovery) = recover_newest(storage, dir, (newest, file, sound), manifest)?;
    segments.push(Arc::clone(&active.segment));
    if let Some(end) = manifest.and_then(|m| m.closed).filter(|end| *end > active.next) {
        // Records that had been there are gone. Their offsets are not given again (LOG-2).
        let segment = &active.segment;
        let (first, bytes) = (active.next, segment.bytes() - active.at);
        let damage = Damage { file: segment.name(), at: active.at, bytes, first, next: end };
        recovery.damaged.push(damage);
        active = active.successor(storage, dir, end)?;
        segments.push(Arc::clone(&active.segment));
    }
    manifest_file.store(open_manifest(&segments))?;
    recovery.start = segments[0].base();
    recovery.end = active.next;
    recovery.segments = segments.len();
    Ok(Recovered { lock, segments, active, manifest: manifest_file, recovery })
}

/// The manifest of a log in use.
pub(super) fn open_manifest(segments: &[Arc<Segment>]) -> Manifest {
    let (oldest, newest) = (segments[0].base(), segments[segments.len() - 1].base());
    Manifest { oldest, newest, closed: None }
}

fn take_lock(storage: &dyn Storage, dir: &Path) -> Result<Lock, Error> {
    let path = dir.join(LOCK_FILE);
    match storage.lock(&path, &std::process::id().to_string()).map_err(Error::io("lock", &path))? {
        Lock::HeldBy(holder) => Err(Error::Locked { dir: dir.display().to_string(), holder }),
        taken => Ok(taken),
    }
}

/// A segment, its file, and whether both copies of its header are whole.
type Found = (Segment, Box<dyn StorageFile>, bool);

/// All segments in order, checked to follow each other without a gap.
fn find_segments(storage: &dyn Storage, dir: &Path, manifest: Option<Manifest>) -> Result<Vec<Found>, Error> {
    let mut names = storage.list(dir).map_err(Error::io("list", dir))?;
    names.sort_unstable();
    let remove = |name: &str| {
        let path = dir.join(name);
        storage.remove(&path).map_err(Error::io("remove", &path))
    };
    let mut found: Vec<Found> = Vec::new();
    for name in names {
        if name.ends_with(COPY_SUFFIX) {
            remove(&name)?;
        }
        let Some(base) = base_of(&name) else { continue };
        if manifest.is_some_and(|m| base < m.oldest) {
            // Its removal had been decided.
            remove(&name)?;
            continue;
        }
        let path = dir.join(&name);
        let file = storage.open(&path).map_err(Error::io("open", &path))?;
        let bytes = file.len().map_err(Error::io("measure", &path))?;
        let announced = manifest.map_or(!found.is_empty(), |m| base <= m.newest);
        match read_header(&*file, &path)? {
            Ok((header, _, _)) if header.base != base => {
                return Err(Error::Misplaced { file: name, base: header.base });
            }
            Ok((header, salt, sound)) => {
                found.push((Segment::new(header, salt, path, bytes), file, sound));
            }
            // Its creation was not completed, so nothing was acknowledged from it.
            Err(HeaderError::Damaged) if !announced && bytes <= FILE_HEADER_BYTES => remove(&name)?,
            Err(HeaderError::Damaged) => return Err(Error::Header { file: name }),
            Err(HeaderError::Newer(version)) => return Err(Error::Newer { file: name, version }),
        }
    }
    check_chain(&found, manifest)?;
    Ok(found)
}

fn check_chain(found: &[Found], manifest: Option<Manifest>) -> Result<(), Error> {
    let (Some((first, ..)), Some((last, file, _))) = (found.first(), found.last()) else { return Ok(()) };
    if let Some(oldest) = manifest.map(|m| m.oldest).filter(|oldest| *oldest < first.base()) {
        return Err(Error::Missing { first: oldest, next: first.base(), file: first.name() });
    }
    for pair in found.windows(2) {
        let ((before, file, _), (segment, ..)) = (&pair[0], &pair[1]);
        let follows = segment.header.id == before.header.id + 1
            && segment.header.previous.is_some_and(|p| p.base == before.base());
        if !follows {
            let first = survey(before, &**file)?.next;
            return Err(Error::Missing { first, next: segment.base(), file: segment.name() });
        }
    }
    if let Some(newest) = manifest.map(|m| m.newest).filter(|newest| *newest > last.base()) {
        let first = survey(last, &**file)?.next;
        return Err(Error::Missing { first, next: newest, file: file_name(newest) });
    }
    Ok(())
}

fn survey(segment: &Segment, file: &dyn StorageFile) -> Result<Survey, Error> {
    Survey::of(segment, file, segment.bytes()).map_err(Error::io("read", &segment.path))
}

/// Makes the newest segment whole again and finds its end.
fn recover_newest(
    storage: &dyn Storage,
    dir: &Path,
    (mut segment, mut file, sound): Found,
    manifest: Option<Manifest>,
) -> Result<(Active, Recovery), Error> {
    let survey = survey(&segment, &*file)?;
    let closed = manifest.filter(|m| m.newest == segment.base()).and_then(|m| m.closed);
    let mut recovery =
        Recovery { clean: closed == Some(survey.next), damaged: survey.damaged, ..Recovery::default() };
    let shortened = closed.is_some_and(|end| end > survey.next);
    if shortened {
        // Left as it is: nothing is written to it any more, and it is evidence.
    } else if !recovery.clean || survey.torn.is_some() || !sound {
        // Its last pages may be whole in memory only, and a sync would not tell.
        file = copy(storage, dir, &segment, &*file, survey.at)?;
        segment = Segment::new(segment.header, segment.salt, segment.path, survey.at);
        recovery.torn = survey.torn;
    }
    if !sound {
        let (file, first) = (segment.name(), segment.base());
        recovery.damaged.push(Damage { file, at: 0, bytes: FILE_HEADER_BYTES, first, next: first });
    }
    let mut active = Active::new(Arc::new(segment), file);
    active.at = survey.at;
    active.next = survey.next;
    active.clock = survey.clock;
    active.chain = survey.chain;
    Ok((active, recovery))
}

/// Replaces a segment file by a durable copy of its first `length` bytes.
fn copy(
    storage: &dyn Storage,
    dir: &Path,
    segment: &Segment,
    from: &dyn StorageFile,
    length: u64,
) -> Result<Box<dyn StorageFile>, Error> {
    let path = dir.join(segment.name() + COPY_SUFFIX);
    let to = storage.create(&path).map_err(Error::io("create", &path))?;
    let (header, _) = segment.header.encode();
    write_all(&*to, &[header, header].concat(), 0).map_err(Error::io("write", &path))?;
    let mut chunk = vec![0; COPY_CHUNK_BYTES];
    let mut at = FILE_HEADER_BYTES;
    while at < length {
        let wanted = (length - at).min(COPY_CHUNK_BYTES as u64) as usize;
        let read = read_up_to(from, &mut chunk[..wanted], at).map_err(Error::io("read", &segment.path))?;
        if read < wanted {
            return Err(Error::io("read", &segment.path)(std::io::ErrorKind::UnexpectedEof.into()));
        }
        write_all(&*to, &chunk[..read], at).map_err(Error::io("write", &path))?;
        at += read as u64;
    }
    to.sync().map_err(Error::io("sync", &path))?;
    storage.rename(&path, &segment.path).map_err(Error::io("rename", &path))?;
    storage.sync_dir(dir).map_err(Error::io("sync", dir))?;
    Ok(to)
}

impl Active {
    /// The start of an empty segment.
    fn new(segment: Arc<Segment>, file: Box<dyn StorageFile>) -> Self {
        Self {
            at: FILE_HEADER_BYTES,
            next: segment.base(),
            clock: segment.header.clock,
            chain: segment.salt,
            segment,
            file,
        }
    }

    /// The segment after this one, its file and name on stable storage.
    pub(super) fn successor(&self, storage: &dyn Storage, dir: &Path, base: Offset) -> Result<Self, Error> {
        let previous = Previous { base: self.segment.base(), closing: self.chain };
        let id = self.segment.header.id + 1;
        let header = FileHeader { id, base, previous: Some(previous), clock: self.clock };
        let (segment, file) = Segment::create(storage, dir, header)?;
        Ok(Self::new(Arc::new(segment), file))
    }
}
