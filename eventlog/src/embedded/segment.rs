use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use model::Offset;

use crate::{
    Error,
    format::{FILE_HEADER_BYTES, FileHeader, HEADER_COPY_BYTES, HeaderError},
    storage::{Storage, StorageFile, read_up_to, write_all},
};

/// Distance between the batches an index knows.
const INDEX_BYTES: u64 = 64 << 10;
const SUFFIX: &str = ".log";

/// A segment file as readers see it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) header: FileHeader,
    /// Checksum of the header, where checksums of batches start from.
    pub(crate) salt: u32,
    pub(crate) path: PathBuf,
    /// Durable length.
    bytes: AtomicU64,
    index: Mutex<Vec<(Offset, u64)>>,
}

impl Segment {
    pub(crate) fn new(header: FileHeader, salt: u32, path: PathBuf, bytes: u64) -> Self {
        let index = Mutex::new(vec![(header.base, FILE_HEADER_BYTES)]);
        Self { header, salt, path, bytes: AtomicU64::new(bytes), index }
    }

    /// Makes the file of a segment and puts it on stable storage, name included.
    pub(crate) fn create(
        storage: &dyn Storage,
        dir: &Path,
        header: FileHeader,
    ) -> Result<(Self, Box<dyn StorageFile>), Error> {
        let path = dir.join(file_name(header.base));
        let (copy, salt) = header.encode();
        let file = storage.create(&path).map_err(Error::io("create", &path))?;
        write_all(&*file, &[copy, copy].concat(), 0).map_err(Error::io("write", &path))?;
        file.sync().map_err(Error::io("sync", &path))?;
        storage.sync_dir(dir).map_err(Error::io("sync", dir))?;
        Ok((Self::new(header, salt, path, FILE_HEADER_BYTES), file))
    }

    pub(crate) fn base(&self) -> Offset {
        self.header.base
    }

    /// Name of the file, for messages.
    pub(crate) fn name(&self) -> String {
        file_name(self.header.base)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// A batch that starts at `at` became durable, and ends at `end`.
    pub(crate) fn grow(&self, base: Offset, at: u64, end: u64) {
        self.note(base, at);
        self.bytes.store(end, Ordering::Release);
    }

    /// The last known batch that starts at `offset` or before it, and its place.
    pub(crate) fn nearest(&self, offset: Offset) -> (Offset, u64) {
        let index = self.index();
        let after = index.partition_point(|(base, _)| *base <= offset);
        index[after.max(1) - 1]
    }

    /// Learns where a batch starts.
    pub(crate) fn note(&self, base: Offset, at: u64) {
        let mut index = self.index();
        let (last_base, last_at) = index[index.len() - 1];
        if base > last_base && at >= last_at + INDEX_BYTES {
            index.push((base, at));
        }
    }

    fn index(&self) -> MutexGuard<'_, Vec<(Offset, u64)>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Name of the segment that starts at `base`. Names sort as offsets do.
pub(crate) fn file_name(base: Offset) -> String {
    format!("{base:020}{SUFFIX}", base = base.0)
}

/// The offset a segment file starts at, by its name.
pub(crate) fn base_of(name: &str) -> Option<Offset> {
    let digits = name.strip_suffix(SUFFIX)?;
    (digits.len() == 20).then(|| digits.parse().ok().map(Offset)).flatten()
}

/// Either copy of a file's header, its checksum, and whether both are whole.
pub(crate) fn read_header(
    file: &dyn StorageFile,
    path: &Path,
) -> Result<Result<(FileHeader, u32, bool), HeaderError>, Error> {
    let mut bytes = [0; FILE_HEADER_BYTES as usize];
    read_up_to(file, &mut bytes, 0).map_err(Error::io("read", path))?;
    let (first, second) = bytes.split_at(HEADER_COPY_BYTES);
    let copies = (FileHeader::decode(first), FileHeader::decode(second));
    Ok(match copies {
        (Ok((header, salt)), second) => Ok((header, salt, second == Ok((header, salt)))),
        (_, Ok((header, salt))) => Ok((header, salt, false)),
        (Err(HeaderError::Newer(version)), _) | (_, Err(HeaderError::Newer(version))) => {
            Err(HeaderError::Newer(version))
        }
        _ => Err(HeaderError::Damaged),
    })
}
