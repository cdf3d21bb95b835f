//! Walks the batches of a segment, over damage to the next readable one.

use std::io;

use memchr::memmem::Finder;
use model::Offset;

use crate::{
    format::{BATCH_HEADER_BYTES, BATCH_MAGIC, BatchHeader, FILE_HEADER_BYTES, decode_body},
    storage::{StorageFile, read_up_to},
};

/// The least that is read from disk at once.
const CHUNK_BYTES: usize = 128 << 10;

/// What stands at a place in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    /// A batch with a valid header. Its body is checked by [`Scan::body`].
    Batch { at: u64, header: BatchHeader },
    /// Bytes that are no batch. Records `first..next` stood there; without a `next` no batch follows.
    Hole { at: u64, bytes: u64, first: Offset, next: Option<Offset> },
}

/// A position in a segment, moving forward.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    window: Window<'a>,
    salt: u32,
    at: u64,
    /// Offset the next batch should start at.
    expect: Offset,
}

impl<'a> Scan<'a> {
    /// A scan of the batches in `file` up to byte `limit`.
    pub(crate) fn new(file: &'a dyn StorageFile, limit: u64, salt: u32, base: Offset) -> Self {
        Self::from(file, limit, salt, FILE_HEADER_BYTES, base)
    }

    /// A scan that starts at a known batch.
    pub(crate) fn from(file: &'a dyn StorageFile, limit: u64, salt: u32, at: u64, base: Offset) -> Self {
        let window = Window { file, limit, at: 0, bytes: Vec::new() };
        Self { window, salt, at, expect: base }
    }

    /// Where the next item starts.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// The offset the next batch starts at, unless there is damage.
    pub(crate) fn expect(&self) -> Offset {
        self.expect
    }

    /// The next item; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Item>> {
        if self.at >= self.window.limit {
            return Ok(None);
        }
        let at = self.at;
        if let Some(header) = self.header(at)? {
            if header.base > self.expect {
                let first = std::mem::replace(&mut self.expect, header.base);
                return Ok(Some(Item::Hole { at, bytes: 0, first, next: Some(header.base) }));
            }
            self.at += header.length();
            self.expect = header.next();
            return Ok(Some(Item::Batch { at, header }));
        }
        let first = self.expect;
        let found = self.resynchronise()?;
        self.at = found.map_or(self.window.limit, |(at, _)| at);
        let next = found.map(|(_, header)| header.base);
        self.expect = next.unwrap_or(first);
        Ok(Some(Item::Hole { at, bytes: self.at - at, first, next }))
    }

    /// The decompressed body of a batch; `None` if it is damaged.
    pub(crate) fn body(&mut self, at: u64, header: &BatchHeader) -> io::Result<Option<Vec<u8>>> {
        let stored = self.window.get(at + BATCH_HEADER_BYTES as u64, header.stored as usize)?;
        Ok(stored.and_then(|stored| decode_body(header, self.salt, stored)))
    }

    /// The header at `at`, if it is one that can stand here and its body is not cut off.
    fn header(&mut self, at: u64) -> io::Result<Option<BatchHeader>> {
        let salt = self.salt;
        let bytes = self.window.get(at, BATCH_HEADER_BYTES)?;
        let header = bytes.and_then(|bytes| BatchHeader::decode(bytes, salt));
        Ok(header.filter(|h| h.base >= self.expect && at + h.length() <= self.window.limit))
    }

    /// The next valid header after this position.
    fn resynchronise(&mut self) -> io::Result<Option<(u64, BatchHeader)>> {
        let magic = Finder::new(&BATCH_MAGIC);
        let mut at = self.at + 1;
        while at + BATCH_HEADER_BYTES as u64 <= self.window.limit {
            let length = (self.window.limit - at).min(CHUNK_BYTES as u64) as usize;
            let found = self.window.get(at, length)?.and_then(|bytes| magic.find(bytes));
            match found {
                Some(place) => {
                    at += place as u64;
                    if let Some(header) = self.header(at)? {
                        return Ok(Some((at, header)));
                    }
                    at += 1;
                }
                // The last bytes may be the start of a magic.
                None => at += (length - (BATCH_MAGIC.len() - 1)) as u64,
            }
        }
        Ok(None)
    }
}

/// Reads a file in large pieces.
#[derive(Debug)]
struct Window<'a> {
    file: &'a dyn StorageFile,
    limit: u64,
    at: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// `length` bytes at `at`; `None` if there are fewer.
    fn get(&mut self, at: u64, length: usize) -> io::Result<Option<&[u8]>> {
        if at + length as u64 > self.limit {
            return Ok(None);
        }
        let held = at >= self.at && at + length as u64 <= self.at + self.bytes.len() as u64;
        if !held {
            let wanted = length.max(CHUNK_BYTES).min((self.limit - at) as usize);
            self.bytes.resize(wanted, 0);
            let read = read_up_to(self.file, &mut self.bytes, at)?;
            self.bytes.truncate(read);
            self.at = at;
        }
        let start = (at - self.at) as usize;
        Ok(self.bytes.get(start..start + length))
    }
}
