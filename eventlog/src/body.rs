use model::{NewRecord, RecordKind};

/// Records as they stand in the body of a batch: for each, its kind, its length as LEB128, its bytes.
/// Bodies of several appends follow each other in one batch.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) count: u32,
}

/// Where a record stands in a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) kind: RecordKind,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// A body that is not one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// Lengths do not add up.
    Malformed,
    /// The record at this place has a kind of a newer format.
    UnknownKind { index: u64, kind: u8 },
}

/// Kind and length in front of a payload, at most.
const FRAME_BYTES: usize = 6;

impl Body {
    /// The body of these records; `None` if they are more than `limit` bytes.
    pub(crate) fn encode(records: &[NewRecord], limit: usize) -> Option<Self> {
        let size = records.iter().fold(0_usize, |n, r| n.saturating_add(r.payload.len() + FRAME_BYTES));
        if size > limit {
            return None;
        }
        let mut bytes = Vec::with_capacity(size);
        for record in records {
            bytes.push(record.kind as u8);
            write_length(record.payload.len() as u32, &mut bytes);
            bytes.extend_from_slice(&record.payload);
        }
        Some(Self { bytes, count: u32::try_from(records.len()).ok()? })
    }

    pub(crate) fn append(&mut self, other: &Self) {
        self.bytes.extend_from_slice(&other.bytes);
        self.count += other.count;
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }
}

/// Finds the `count` records of a body.
pub(crate) fn spans(body: &[u8], count: u32) -> Result<Vec<Span>, BodyError> {
    let mut spans = Vec::with_capacity((count as usize).min(body.len()));
    let mut at = 0;
    for index in 0..u64::from(count) {
        let kind = *body.get(at).ok_or(BodyError::Malformed)?;
        let (length, start) = read_length(body, at + 1).ok_or(BodyError::Malformed)?;
        let end = start.checked_add(length).filter(|end| *end <= body.len()).ok_or(BodyError::Malformed)?;
        let kind = RecordKind::from_u8(kind).ok_or(BodyError::UnknownKind { index, kind })?;
        spans.push(Span { kind, start: start as u32, end: end as u32 });
        at = end;
    }
    if at == body.len() { Ok(spans) } else { Err(BodyError::Malformed) }
}

fn write_length(mut length: u32, out: &mut Vec<u8>) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// A length, and the place after it.
fn read_length(body: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let mut length = 0_u64;
    for shift in [0, 7, 14, 21, 28] {
        let byte = *body.get(at)?;
        at += 1;
        length |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((usize::try_from(length).ok()?, at));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_record_is_found_again(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
            let records: Vec<_> =
                payloads.into_iter().map(|payload| NewRecord { kind: RecordKind::Event, payload }).collect();
            let body = Body::encode(&records, usize::MAX).unwrap();
            let found = spans(&body.bytes, body.count).unwrap();
            let found: Vec<_> = found.iter().map(|s| &body.bytes[s.start as usize..s.end as usize]).collect();
            let expect: Vec<_> = records.iter().map(|r| &r.payload[..]).collect();
            prop_assert_eq!(found, expect);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), count in any::<u32>()) {
            let _ = spans(&bytes, count);
        }
    }

    #[test]
    fn a_kind_of_a_newer_format_is_named() {
        assert_eq!(spans(&[1, 0, 99, 0], 2).unwrap_err(), BodyError::UnknownKind { index: 1, kind: 99 });
    }

    #[test]
    fn more_than_the_limit_is_refused() {
        let record = NewRecord { kind: RecordKind::Event, payload: vec![0; 100] };
        assert!(Body::encode(std::slice::from_ref(&record), 99).is_none());
        assert!(Body::encode(&[record], 200).is_some());
    }
}
