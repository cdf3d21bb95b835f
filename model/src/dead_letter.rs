use crate::{CodecError, Decoder, Encoder, Offset, Timestamp};

/// An item that was not accepted: kept with its reason and its bytes, so that it can be replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The collector's clock when the request was read.
    pub received_at: Timestamp,
    /// The write key's source.
    pub source: String,
    /// Id of the request it came with.
    pub request_id: String,
    /// Its place in the batch, from 0.
    pub index: u32,
    /// Stable reason, such as `missing_ids` (`collector.md` §9).
    pub reason: String,
    /// Where in the item, as a JSON pointer; empty for the whole item.
    pub pointer: String,
    /// The reason in words.
    pub message: String,
    /// The item's bytes as they came.
    pub raw: Vec<u8>,
    /// The type the path gave, if the item need not carry one.
    pub path_type: Option<String>,
    /// Where readable.
    pub message_id: Option<String>,
    /// Where readable.
    pub event_type: Option<String>,
    /// Where readable.
    pub event: Option<String>,
    /// Where readable.
    pub user_id: Option<String>,
    /// Where readable.
    pub anonymous_id: Option<String>,
}

const FORMAT: u8 = 1;

impl DeadLetter {
    /// The log's form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::with_capacity(self.raw.len() + 200);
        out.u8(FORMAT).i64(self.received_at.as_micros()).text(&self.source).text(&self.request_id);
        out.u64(u64::from(self.index)).text(&self.reason).text(&self.pointer).text(&self.message);
        out.bytes(&self.raw);
        let readable = [
            &self.path_type,
            &self.message_id,
            &self.event_type,
            &self.event,
            &self.user_id,
            &self.anonymous_id,
        ];
        for text in readable {
            out.option(text.as_deref(), |out, text| {
                out.text(text);
            });
        }
        out.finish()
    }

    /// Reads the log's form.
    pub fn decode(payload: &[u8]) -> Result<Self, CodecError> {
        let mut input = Decoder::new("dead letter", payload);
        if input.u8()? != FORMAT {
            return Err(input.error());
        }
        let text = |i: &mut Decoder<'_>| i.text().map(str::to_owned);
        Ok(Self {
            received_at: input.i64().map(Timestamp::from_micros)?,
            source: text(&mut input)?,
            request_id: text(&mut input)?,
            index: u32::try_from(input.u64()?).map_err(|_| input.error())?,
            reason: text(&mut input)?,
            pointer: text(&mut input)?,
            message: text(&mut input)?,
            raw: input.bytes()?.to_vec(),
            path_type: input.option(text)?,
            message_id: input.option(text)?,
            event_type: input.option(text)?,
            event: input.option(text)?,
            user_id: input.option(text)?,
            anonymous_id: input.option(text)?,
        })
    }
}

/// What became of a dead letter after somebody acted on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterState {
    /// Replayed and accepted (or found to be a duplicate).
    Replayed(Offset),
    /// Closed by an operator.
    Dropped(Offset),
    /// Replayed and refused again: one more attempt.
    FailedAgain(Offset),
}

impl DeadLetterState {
    /// The log's form.
    pub fn encode(self) -> Vec<u8> {
        let (tag, Offset(offset)) = match self {
            Self::Replayed(o) => (1, o),
            Self::Dropped(o) => (2, o),
            Self::FailedAgain(o) => (3, o),
        };
        let mut out = Encoder::default();
        out.u8(tag).u64(offset);
        out.finish()
    }

    /// Reads the log's form.
    pub fn decode(payload: &[u8]) -> Result<Self, CodecError> {
        let mut input = Decoder::new("dead letter state", payload);
        let tag = input.u8()?;
        let offset = Offset(input.u64()?);
        match tag {
            1 => Ok(Self::Replayed(offset)),
            2 => Ok(Self::Dropped(offset)),
            3 => Ok(Self::FailedAgain(offset)),
            _ => Err(input.error()),
        }
    }
}

/// Whether somebody acted on a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DeadLetterStatus {
    /// Waiting.
    Open = 0,
    /// Replayed and accepted, or found to be a duplicate.
    Replayed = 1,
    /// Closed by an operator.
    Dropped = 2,
}

impl DeadLetterStatus {
    /// `open`, `replayed` or `dropped`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Replayed => "replayed",
            Self::Dropped => "dropped",
        }
    }

    /// Reads [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Open, Self::Replayed, Self::Dropped].into_iter().find(|s| s.as_str() == text)
    }
}

/// A dead letter with what became of it: the value of the state keyspace `dead_letters`, whose key is
/// the letter's log offset (u64, big-endian). The log's own two records fold into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDeadLetter {
    /// What became of it.
    pub status: DeadLetterStatus,
    /// Replays that were refused again.
    pub attempts: u32,
    /// The letter.
    pub letter: DeadLetter,
}

impl StoredDeadLetter {
    /// Bytes in front of the letter's own: status and attempts.
    const HEAD: usize = 5;

    /// The stored form of a letter that just came: `payload` is its log form.
    pub fn open(payload: &[u8]) -> Vec<u8> {
        let mut out = vec![0; Self::HEAD];
        out.extend_from_slice(payload);
        out
    }

    /// Folds a state record into the stored form; `false` leaves damaged bytes as they are.
    pub fn apply(stored: &mut [u8], state: DeadLetterState) -> bool {
        let Some((head, _)) = stored.split_first_chunk_mut::<{ Self::HEAD }>() else { return false };
        match state {
            DeadLetterState::Replayed(_) => head[0] = DeadLetterStatus::Replayed as u8,
            DeadLetterState::Dropped(_) => head[0] = DeadLetterStatus::Dropped as u8,
            DeadLetterState::FailedAgain(_) => {
                let [_, a, b, c, d] = *head;
                let attempts = u32::from_be_bytes([a, b, c, d]).saturating_add(1);
                head[1..].copy_from_slice(&attempts.to_be_bytes());
            }
        }
        true
    }

    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.status as u8];
        out.extend_from_slice(&self.attempts.to_be_bytes());
        out.extend_from_slice(&self.letter.encode());
        out
    }

    /// Reads the stored form.
    pub fn decode(stored: &[u8]) -> Result<Self, CodecError> {
        let damaged = CodecError { what: "stored dead letter", at: 0 };
        let Some((&[status, a, b, c, d], letter)) = stored.split_first_chunk::<{ Self::HEAD }>() else {
            return Err(damaged);
        };
        let status = match status {
            0 => DeadLetterStatus::Open,
            1 => DeadLetterStatus::Replayed,
            2 => DeadLetterStatus::Dropped,
            _ => return Err(damaged),
        };
        let letter = DeadLetter::decode(letter)?;
        Ok(Self { status, attempts: u32::from_be_bytes([a, b, c, d]), letter })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_forms_round_trip() {
        let letter = DeadLetter {
            received_at: Timestamp::from_millis(7),
            source: "web".into(),
            request_id: "r1".into(),
            index: 3,
            reason: "missing_ids".into(),
            pointer: "/userId".into(),
            message: "neither userId nor anonymousId".into(),
            raw: b"{\xff".to_vec(),
            path_type: Some("track".into()),
            message_id: None,
            event_type: Some("track".into()),
            event: None,
            user_id: None,
            anonymous_id: None,
        };
        assert_eq!(DeadLetter::decode(&letter.encode()).unwrap(), letter);
        for state in [
            DeadLetterState::Replayed(Offset(9)),
            DeadLetterState::Dropped(Offset(0)),
            DeadLetterState::FailedAgain(Offset(1 << 40)),
        ] {
            assert_eq!(DeadLetterState::decode(&state.encode()).unwrap(), state);
        }
        let mut stored = StoredDeadLetter::open(&letter.encode());
        assert!(StoredDeadLetter::apply(&mut stored, DeadLetterState::FailedAgain(Offset(9))));
        assert!(StoredDeadLetter::apply(&mut stored, DeadLetterState::Replayed(Offset(9))));
        let folded = StoredDeadLetter { status: DeadLetterStatus::Replayed, attempts: 1, letter };
        assert_eq!(StoredDeadLetter::decode(&stored).unwrap(), folded);
        assert_eq!(folded.encode(), stored);
        assert!(StoredDeadLetter::decode(&stored[..4]).is_err());
    }
}
