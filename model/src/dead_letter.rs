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
        for state in [DeadLetterState::Replayed(Offset(9)), DeadLetterState::Dropped(Offset(0)), DeadLetterState::FailedAgain(Offset(1 << 40))] {
            assert_eq!(DeadLetterState::decode(&state.encode()).unwrap(), state);
        }
    }
}
