//! The bytes on disk, little-endian.
//!
//! A segment file is a header, twice, then batches without gaps. A batch is a header and a body of
//! records, compressed where that is shorter. Checksums are CRC32C. Those of batches start from the
//! checksum of the file's header, so that bytes of another segment, or bytes a client sent, never pass
//! for a batch of this one.

use model::{Offset, Timestamp};

/// The newest format this version reads, and the one it writes.
pub(crate) const VERSION: u32 = 1;
/// Where batches start: after two copies of the header.
pub(crate) const FILE_HEADER_BYTES: u64 = 2 * HEADER_COPY_BYTES as u64;
pub(crate) const HEADER_COPY_BYTES: usize = 64;
pub(crate) const BATCH_HEADER_BYTES: usize = 48;
pub(crate) const BATCH_MAGIC: [u8; 4] = *b"eTb\x01";
const FILE_MAGIC: [u8; 8] = *b"ETALONLG";
const NONE: u64 = u64::MAX;

/// The start of a segment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileHeader {
    /// Number of the segment, from 0.
    pub(crate) id: u64,
    /// Offset of its first record.
    pub(crate) base: Offset,
    /// The segment before it, unless it is the first ever.
    pub(crate) previous: Option<Previous>,
    /// The log's clock when the segment was made: no record before it is later.
    pub(crate) clock: Timestamp,
}

/// What a segment says of the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) base: Offset,
    /// Checksum over the headers of all its batches, hence over its content.
    pub(crate) closing: u32,
}

/// A header that is not readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderError {
    Damaged,
    Newer(u32),
}

impl FileHeader {
    /// One copy, and the checksum it ends with.
    pub(crate) fn encode(&self) -> ([u8; HEADER_COPY_BYTES], u32) {
        let mut bytes = [0; HEADER_COPY_BYTES];
        bytes[..8].copy_from_slice(&FILE_MAGIC);
        put_u32(&mut bytes, 8, VERSION);
        put_u64(&mut bytes, 16, self.id);
        put_u64(&mut bytes, 24, self.base.0);
        put_u64(&mut bytes, 32, self.previous.map_or(NONE, |p| p.base.0));
        put_u32(&mut bytes, 40, self.previous.map_or(0, |p| p.closing));
        put_u64(&mut bytes, 48, self.clock.as_micros() as u64);
        let crc = crc32c::crc32c(&bytes[..60]);
        put_u32(&mut bytes, 60, crc);
        (bytes, crc)
    }

    /// Reads one copy, and the checksum it ends with.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, u32), HeaderError> {
        if bytes.len() < HEADER_COPY_BYTES || bytes[..8] != FILE_MAGIC {
            return Err(HeaderError::Damaged);
        }
        let crc = u32_at(bytes, 60);
        if crc != crc32c::crc32c(&bytes[..60]) {
            return Err(HeaderError::Damaged);
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return Err(HeaderError::Newer(version));
        }
        let previous = u64_at(bytes, 32);
        let header = Self {
            id: u64_at(bytes, 16),
            base: Offset(u64_at(bytes, 24)),
            previous: (previous != NONE)
                .then(|| Previous { base: Offset(previous), closing: u32_at(bytes, 40) }),
            clock: Timestamp::from_micros(u64_at(bytes, 48) as i64),
        };
        Ok((header, crc))
    }
}

/// The start of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) base: Offset,
    pub(crate) count: u32,
    /// The log's clock at commit.
    pub(crate) clock: Timestamp,
    /// Length of the body as it is stored.
    pub(crate) stored: u32,
    /// Length of the body, decompressed.
    pub(crate) raw: u32,
    pub(crate) compressed: bool,
    /// Checksum of the body as it is stored.
    pub(crate) body_crc: u32,
}

impl BatchHeader {
    pub(crate) fn encode(&self, salt: u32) -> [u8; BATCH_HEADER_BYTES] {
        let mut bytes = [0; BATCH_HEADER_BYTES];
        bytes[..4].copy_from_slice(&BATCH_MAGIC);
        put_u32(&mut bytes, 8, self.body_crc);
        put_u32(&mut bytes, 12, u32::from(self.compressed));
        put_u64(&mut bytes, 16, self.base.0);
        put_u64(&mut bytes, 24, self.clock.as_micros() as u64);
        put_u32(&mut bytes, 32, self.count);
        put_u32(&mut bytes, 36, self.raw);
        put_u32(&mut bytes, 40, self.stored);
        let crc = crc32c::crc32c_append(salt, &bytes[8..]);
        put_u32(&mut bytes, 4, crc);
        bytes
    }

    /// `None` if this is no header of the segment with this salt.
    pub(crate) fn decode(bytes: &[u8], salt: u32) -> Option<Self> {
        let bytes = bytes.get(..BATCH_HEADER_BYTES)?;
        if bytes[..4] != BATCH_MAGIC || u32_at(bytes, 4) != crc32c::crc32c_append(salt, &bytes[8..]) {
            return None;
        }
        Some(Self {
            base: Offset(u64_at(bytes, 16)),
            count: u32_at(bytes, 32),
            clock: Timestamp::from_micros(u64_at(bytes, 24) as i64),
            stored: u32_at(bytes, 40),
            raw: u32_at(bytes, 36),
            compressed: u32_at(bytes, 12) == 1,
            body_crc: u32_at(bytes, 8),
        })
    }

    /// The offset after the last record.
    pub(crate) fn next(&self) -> Offset {
        self.base.plus(u64::from(self.count))
    }

    /// Length of header and body on disk.
    pub(crate) fn length(&self) -> u64 {
        BATCH_HEADER_BYTES as u64 + u64::from(self.stored)
    }

    /// The running checksum of a segment after this batch.
    pub(crate) fn chain(&self, salt: u32, before: u32) -> u32 {
        crc32c::crc32c_append(before, &self.encode(salt))
    }
}

/// Appends header and body of a batch to `out`, compressed if that is shorter.
pub(crate) fn encode_batch(
    salt: u32,
    base: Offset,
    clock: Timestamp,
    body: &crate::body::Body,
    out: &mut Vec<u8>,
) -> BatchHeader {
    let raw = body.bytes.len();
    out.clear();
    out.resize(BATCH_HEADER_BYTES + lz4_flex::block::get_maximum_output_size(raw), 0);
    let packed = lz4_flex::block::compress_into(&body.bytes, &mut out[BATCH_HEADER_BYTES..]);
    let packed = packed.ok().filter(|length| *length < raw);
    match packed {
        Some(length) => out.truncate(BATCH_HEADER_BYTES + length),
        None => {
            out.truncate(BATCH_HEADER_BYTES);
            out.extend_from_slice(&body.bytes);
        }
    }
    let stored = &out[BATCH_HEADER_BYTES..];
    let header = BatchHeader {
        base,
        count: body.count,
        clock,
        stored: stored.len() as u32,
        raw: raw as u32,
        compressed: packed.is_some(),
        body_crc: crc32c::crc32c_append(salt, stored),
    };
    out[..BATCH_HEADER_BYTES].copy_from_slice(&header.encode(salt));
    header
}

/// The body of a batch as it was before compression; `None` if `stored` is damaged.
pub(crate) fn decode_body(header: &BatchHeader, salt: u32, stored: &[u8]) -> Option<Vec<u8>> {
    if crc32c::crc32c_append(salt, stored) != header.body_crc {
        return None;
    }
    if !header.compressed {
        return Some(stored.to_vec());
    }
    lz4_flex::block::decompress(stored, header.raw as usize).ok()
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

pub(crate) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use model::{NewRecord, RecordKind};

    use super::*;
    use crate::body::Body;

    #[test]
    fn a_file_header_comes_back_and_no_flipped_bit_passes() {
        for previous in [None, Some(Previous { base: Offset(3), closing: 77 })] {
            let header = FileHeader { id: 4, base: Offset(9), previous, clock: Timestamp::from_millis(-5) };
            let (bytes, crc) = header.encode();
            assert_eq!(FileHeader::decode(&bytes), Ok((header, crc)));
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes;
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(FileHeader::decode(&flipped), Err(HeaderError::Damaged), "bit {bit}");
            }
        }
    }

    #[test]
    fn a_newer_format_is_named() {
        let header = FileHeader { id: 0, base: Offset(0), previous: None, clock: Timestamp::default() };
        let (mut bytes, _) = header.encode();
        put_u32(&mut bytes, 8, VERSION + 1);
        let crc = crc32c::crc32c(&bytes[..60]);
        put_u32(&mut bytes, 60, crc);
        assert_eq!(FileHeader::decode(&bytes), Err(HeaderError::Newer(VERSION + 1)));
    }

    #[test]
    fn a_batch_comes_back_and_no_flipped_bit_passes() {
        for payload in [b"ab".to_vec(), vec![b'x'; 500]] {
            let body = Body::encode(&[NewRecord { kind: RecordKind::Event, payload }], usize::MAX).unwrap();
            let mut bytes = Vec::new();
            let written = encode_batch(9, Offset(5), Timestamp::from_millis(1), &body, &mut bytes);
            let read = |bytes: &[u8], salt| {
                let header = BatchHeader::decode(bytes, salt)?;
                decode_body(&header, salt, &bytes[BATCH_HEADER_BYTES..])
            };
            assert_eq!(BatchHeader::decode(&bytes, 9), Some(written));
            assert_eq!(read(&bytes, 9).unwrap(), body.bytes);
            assert_eq!(read(&bytes, 8), None, "a batch of another segment");
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(read(&flipped, 9), None, "bit {bit}");
            }
        }
    }
}
