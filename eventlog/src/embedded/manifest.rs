//! Which segments there are, so that a missing file is noticed, also at either end of the log.
//!
//! Two slots are written in turn, so a torn write leaves the older one.

use std::path::{Path, PathBuf};

use model::Offset;

use crate::{
    Error,
    format::{put_u32, put_u64, u32_at, u64_at},
    storage::{Storage, StorageFile, read_up_to, write_all},
};

const FILE_NAME: &str = "segments";
const MAGIC: [u8; 8] = *b"ETALONSG";
const SLOT_BYTES: usize = 64;
/// Slots stand in sectors of their own.
const SLOT_DISTANCE: u64 = 4096;
const NONE: u64 = u64::MAX;

/// What the log consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// First offset of the oldest segment.
    pub(crate) oldest: Offset,
    /// First offset of the newest segment.
    pub(crate) newest: Offset,
    /// The end of the log, if it was closed in good order.
    pub(crate) closed: Option<Offset>,
}

/// The file that says so.
#[derive(Debug)]
pub(crate) struct ManifestFile {
    file: Box<dyn StorageFile>,
    path: PathBuf,
    generation: u64,
}

impl ManifestFile {
    /// The file in `dir` and what it says, which is nothing if it is new or damaged.
    pub(crate) fn open(storage: &dyn Storage, dir: &Path) -> Result<(Self, Option<Manifest>), Error> {
        let path = dir.join(FILE_NAME);
        let file = match storage.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let file = storage.create(&path).map_err(Error::io("create", &path))?;
                write_all(&*file, &[0; 2 * SLOT_DISTANCE as usize], 0).map_err(Error::io("write", &path))?;
                file.sync().map_err(Error::io("sync", &path))?;
                storage.sync_dir(dir).map_err(Error::io("sync", dir))?;
                file
            }
            Err(error) => return Err(Error::io("open", &path)(error)),
        };
        let mut found: Option<(u64, Manifest)> = None;
        for slot in 0..2 {
            let mut bytes = [0; SLOT_BYTES];
            read_up_to(&*file, &mut bytes, slot * SLOT_DISTANCE).map_err(Error::io("read", &path))?;
            found = found.into_iter().chain(decode(&bytes)).max_by_key(|(generation, _)| *generation);
        }
        let generation = found.map_or(0, |(generation, _)| generation);
        Ok((Self { file, path, generation }, found.map(|(_, manifest)| manifest)))
    }

    /// Replaces what the file says, durably.
    pub(crate) fn store(&mut self, manifest: Manifest) -> Result<(), Error> {
        self.generation += 1;
        let slot = self.generation % 2 * SLOT_DISTANCE;
        let bytes = encode(self.generation, manifest);
        write_all(&*self.file, &bytes, slot).map_err(Error::io("write", &self.path))?;
        self.file.sync().map_err(Error::io("sync", &self.path))
    }
}

fn encode(generation: u64, manifest: Manifest) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    put_u64(&mut bytes, 8, generation);
    put_u64(&mut bytes, 16, manifest.oldest.0);
    put_u64(&mut bytes, 24, manifest.newest.0);
    put_u64(&mut bytes, 32, manifest.closed.map_or(NONE, |end| end.0));
    let crc = crc32c::crc32c(&bytes[..60]);
    put_u32(&mut bytes, 60, crc);
    bytes
}

fn decode(bytes: &[u8; SLOT_BYTES]) -> Option<(u64, Manifest)> {
    if bytes[..8] != MAGIC || u32_at(bytes, 60) != crc32c::crc32c(&bytes[..60]) {
        return None;
    }
    let closed = u64_at(bytes, 32);
    let manifest = Manifest {
        oldest: Offset(u64_at(bytes, 16)),
        newest: Offset(u64_at(bytes, 24)),
        closed: (closed != NONE).then_some(Offset(closed)),
    };
    Some((u64_at(bytes, 8), manifest))
}
