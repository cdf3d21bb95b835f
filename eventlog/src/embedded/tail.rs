use std::io;

use model::{Offset, Timestamp};

use super::segment::Segment;
use crate::{
    Damage, Torn,
    format::{BatchHeader, FILE_HEADER_BYTES},
    scan::{Item, Scan},
    storage::StorageFile,
};

/// What a segment holds, read in full.
///
/// A batch is written only after the one before it was synced, so an unfinished write can only be the
/// last thing in a file. Whatever is followed by a batch had been acknowledged, and is damage.
#[derive(Debug)]
pub(super) struct Survey {
    /// Where the last batch ends.
    pub(super) at: u64,
    /// The offset after its last record.
    pub(super) next: Offset,
    /// The log's clock there.
    pub(super) clock: Timestamp,
    /// Running checksum there.
    pub(super) chain: u32,
    pub(super) batches: u64,
    pub(super) records: u64,
    pub(super) damaged: Vec<Damage>,
    /// What stands after the last batch and is none.
    pub(super) torn: Option<Torn>,
}

impl Survey {
    pub(super) fn of(segment: &Segment, file: &dyn StorageFile, length: u64) -> io::Result<Self> {
        let mut survey = Self {
            at: FILE_HEADER_BYTES,
            next: segment.base(),
            clock: segment.header.clock,
            chain: segment.salt,
            batches: 0,
            records: 0,
            damaged: Vec::new(),
            torn: None,
        };
        let mut scan = Scan::new(file, length, segment.salt, segment.base());
        let mut last_bad: Option<(Damage, Option<BatchHeader>)> = None;
        while let Some(item) = scan.next()? {
            if let Some((damage, header)) = last_bad.take() {
                survey.pass_damage(segment, damage, header);
            }
            match item {
                Item::Batch { at, header } if scan.body(at, &header)?.is_some() => {
                    survey.pass_batch(segment, at, &header);
                    survey.batches += 1;
                    survey.records += u64::from(header.count);
                }
                Item::Batch { at, header } => {
                    let (first, next) = (header.base, header.next());
                    let damage = Damage { file: segment.name(), at, bytes: header.length(), first, next };
                    last_bad = Some((damage, Some(header)));
                }
                Item::Hole { at, bytes, first, next } => {
                    let next = next.unwrap_or(first);
                    let damage = Damage { file: segment.name(), at, bytes, first, next };
                    last_bad = Some((damage, None));
                }
            }
        }
        survey.torn = last_bad.map(|(damage, _)| Torn {
            file: damage.file,
            at: damage.at,
            bytes: length - damage.at,
            batches: 1,
        });
        Ok(survey)
    }

    fn pass_batch(&mut self, segment: &Segment, at: u64, header: &BatchHeader) {
        segment.note(header.base, at);
        self.at = at + header.length();
        self.next = header.next();
        self.clock = header.clock;
        self.chain = header.chain(segment.salt, self.chain);
    }

    fn pass_damage(&mut self, segment: &Segment, damage: Damage, header: Option<BatchHeader>) {
        match header {
            Some(header) => self.pass_batch(segment, damage.at, &header),
            None => (self.at, self.next) = (damage.at + damage.bytes, damage.next),
        }
        self.damaged.push(damage);
    }
}
