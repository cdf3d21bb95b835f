use std::sync::Arc;

use super::{Shared, segment::read_header, tail::Survey};
use crate::{Damage, Error, Verification, format::FILE_HEADER_BYTES};

impl Shared {
    pub(super) fn verify(&self) -> Result<Verification, Error> {
        // The end first, as in a read: the newest segment holds at least that much.
        let end = self.end();
        let segments: Vec<_> = self.segments().iter().map(Arc::clone).collect();
        let mut found = Verification::default();
        for (index, segment) in segments.iter().enumerate() {
            let successor = segments.get(index + 1);
            let bytes = segment.bytes();
            let file = self.storage.open(&segment.path).map_err(Error::io("open", &segment.path))?;
            let survey = Survey::of(segment, &*file, bytes).map_err(Error::io("read", &segment.path))?;
            let whole = survey.damaged.is_empty();
            if !matches!(read_header(&*file, &segment.path)?, Ok((_, salt, true)) if salt == segment.salt) {
                let (file, first) = (segment.name(), segment.base());
                let damage = Damage { file, at: 0, bytes: FILE_HEADER_BYTES, first, next: first };
                found.damaged.push(damage);
            }
            found.segments += 1;
            found.bytes += bytes;
            found.batches += survey.batches;
            found.records += survey.records;
            found.damaged.extend(survey.damaged);
            let segment_end = successor.map_or(end, |next| next.base());
            if survey.next < segment_end {
                let (at, bytes) = (survey.at, bytes - survey.at.min(bytes));
                let (file, first, next) = (segment.name(), survey.next, segment_end);
                found.damaged.push(Damage { file, at, bytes, first, next });
            } else if whole
                && let Some(previous) = successor.and_then(|next| next.header.previous)
                && previous.closing != survey.chain
            {
                found.replaced.push(segment.name());
            }
        }
        Ok(found)
    }
}
