use std::collections::BTreeMap;

use crate::{AudienceName, ChangeId, CodecError, Decoder, Encoder, MessageId, ProfileId, Timestamp, json};

/// Whether a profile entered or left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// The profile is a member from now on.
    Entered,
    /// The profile is no member any more.
    Exited,
}

impl ChangeKind {
    /// `entered` or `exited`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Entered => "entered",
            Self::Exited => "exited",
        }
    }
}

/// Why a membership changed: the kind of the record, or `time` (`audiences.md` EV-6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeReason {
    /// A tracking call.
    Event,
    /// A trait of the golden record.
    Trait,
    /// A consent statement.
    Consent,
    /// A static list.
    List,
    /// A deadline passed.
    Time,
    /// Two profiles became one.
    Merge,
    /// One profile became several.
    Unmerge,
    /// A metric was read again.
    Refresh,
    /// The definition changed or went away.
    Definition,
    /// A new definition was evaluated over history.
    Backfill,
    /// The person was erased.
    Erase,
}

impl ChangeReason {
    const ALL: [Self; 11] = [
        Self::Event,
        Self::Trait,
        Self::Consent,
        Self::List,
        Self::Time,
        Self::Merge,
        Self::Unmerge,
        Self::Refresh,
        Self::Definition,
        Self::Backfill,
        Self::Erase,
    ];

    /// Name in the change log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Trait => "trait",
            Self::Consent => "consent",
            Self::List => "list",
            Self::Time => "time",
            Self::Merge => "merge",
            Self::Unmerge => "unmerge",
            Self::Refresh => "refresh",
            Self::Definition => "definition",
            Self::Backfill => "backfill",
            Self::Erase => "erase",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == text)
    }
}

/// The message that caused a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Its message id.
    pub message_id: MessageId,
    /// Its event name, or its type where it has none.
    pub event: String,
    /// Its event time.
    pub t: Timestamp,
}

/// One entry or exit of one profile and audience: a record of the change log (`audiences.md` §7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipChange {
    /// The same on every replay.
    pub id: ChangeId,
    /// Dense along the change log, from 1.
    pub seq: u64,
    /// Which audience.
    pub audience: AudienceName,
    /// Which version of its definition.
    pub audience_version: u32,
    /// Which profile.
    pub profile: ProfileId,
    /// Its identifiers by type when the change was made.
    pub identifiers: BTreeMap<String, Vec<String>>,
    /// Entry or exit.
    pub change: ChangeKind,
    /// Why.
    pub reason: ChangeReason,
    /// Which message, where one did.
    pub cause: Option<Cause>,
    /// When it took effect.
    pub at: Timestamp,
    /// The clock of the record that made it; later than `at` for deadlines only.
    pub computed_at: Timestamp,
    /// 1, 2, 3.. per profile over all audiences.
    pub profile_seq: u64,
    /// When the membership ends with no further call, if known.
    pub leaves_at: Option<Timestamp>,
    /// The surviving profile, for reason `merge`.
    pub merged_into: Option<ProfileId>,
}

const FORMAT: u8 = 1;

impl MembershipChange {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::with_capacity(256);
        out.u8(FORMAT).text(self.id.as_str()).u64(self.seq).text(self.audience.as_str());
        out.u64(u64::from(self.audience_version)).bytes(&self.profile.0);
        out.u64(self.identifiers.len() as u64);
        for (name, values) in &self.identifiers {
            out.text(name).u64(values.len() as u64);
            for value in values {
                out.text(value);
            }
        }
        out.u8(u8::from(self.change == ChangeKind::Entered)).text(self.reason.as_str());
        out.option(self.cause.as_ref(), |out, cause| {
            out.text(cause.message_id.as_str()).text(&cause.event).i64(cause.t.as_micros());
        });
        out.i64(self.at.as_micros()).i64(self.computed_at.as_micros()).u64(self.profile_seq);
        out.option(self.leaves_at, |out, time| {
            out.i64(time.as_micros());
        });
        out.option(self.merged_into, |out, id| {
            out.bytes(&id.0);
        });
        out.finish()
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut input = Decoder::new("membership change", bytes);
        if input.u8()? != FORMAT {
            return Err(input.error());
        }
        Ok(Self {
            id: ChangeId::new(input.text()?),
            seq: input.u64()?,
            audience: AudienceName::new(input.text()?),
            audience_version: u32::try_from(input.u64()?).map_err(|_| input.error())?,
            profile: read_profile(&mut input)?,
            identifiers: read_identifiers(&mut input)?,
            change: if input.u8()? == 1 { ChangeKind::Entered } else { ChangeKind::Exited },
            reason: ChangeReason::parse(input.text()?).ok_or_else(|| input.error())?,
            cause: input.option(|i| {
                Ok(Cause {
                    message_id: MessageId::new(i.text()?),
                    event: i.text()?.to_owned(),
                    t: Timestamp::from_micros(i.i64()?),
                })
            })?,
            at: Timestamp::from_micros(input.i64()?),
            computed_at: Timestamp::from_micros(input.i64()?),
            profile_seq: input.u64()?,
            leaves_at: input.option(|i| i.i64().map(Timestamp::from_micros))?,
            merged_into: input.option(read_profile)?,
        })
    }

    /// The change as JSON text, as webhooks and the pull API carry it.
    pub fn to_json(&self) -> String {
        let time = |t: Timestamp| json::quote(&t.to_string());
        let identifiers: Vec<String> = self
            .identifiers
            .iter()
            .map(|(name, values)| {
                let values: Vec<String> = values.iter().map(|v| json::quote(v)).collect();
                format!("{}:[{}]", json::quote(name), values.join(","))
            })
            .collect();
        let cause = self.cause.as_ref().map_or("null".to_owned(), |cause| {
            format!(
                r#"{{"message_id":{},"event":{},"t":{}}}"#,
                json::quote(cause.message_id.as_str()),
                json::quote(&cause.event),
                time(cause.t)
            )
        });
        format!(
            r#"{{"id":{id},"seq":{seq},"audience":{{"name":{name},"version":{version}}},"profile":{{"id":"{profile}","identifiers":{{{identifiers}}}}},"change":"{change}","reason":"{reason}","cause":{cause},"at":{at},"computed_at":{computed_at},"profile_seq":{profile_seq},"leaves_at":{leaves_at},"merged_into":{merged_into}}}"#,
            id = json::quote(self.id.as_str()),
            seq = self.seq,
            name = json::quote(self.audience.as_str()),
            version = self.audience_version,
            profile = self.profile,
            identifiers = identifiers.join(","),
            change = self.change.as_str(),
            reason = self.reason.as_str(),
            at = time(self.at),
            computed_at = time(self.computed_at),
            profile_seq = self.profile_seq,
            leaves_at = self.leaves_at.map_or("null".to_owned(), time),
            merged_into = self.merged_into.map_or("null".to_owned(), |id| format!("\"{id}\"")),
        )
    }
}

fn read_profile(input: &mut Decoder<'_>) -> Result<ProfileId, CodecError> {
    <[u8; 16]>::try_from(input.bytes()?).map(ProfileId).map_err(|_| input.error())
}

fn read_identifiers(input: &mut Decoder<'_>) -> Result<BTreeMap<String, Vec<String>>, CodecError> {
    let mut identifiers = BTreeMap::new();
    for _ in 0..input.u64()? {
        let name = input.text()?.to_owned();
        let mut values = Vec::new();
        for _ in 0..input.u64()? {
            values.push(input.text()?.to_owned());
        }
        identifiers.insert(name, values);
    }
    Ok(identifiers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Offset;

    fn sample() -> MembershipChange {
        MembershipChange {
            id: ChangeId::at(0, Offset(18231), 2),
            seq: 90412,
            audience: "big_spenders".into(),
            audience_version: 3,
            profile: "2009e11b-eb9a-82d8-b2cb-4b34668a26c2".parse().unwrap(),
            identifiers: BTreeMap::from([("user_id".to_owned(), vec!["u1".to_owned()])]),
            change: ChangeKind::Entered,
            reason: ChangeReason::Event,
            cause: Some(Cause {
                message_id: "o-77".into(),
                event: "Order Completed".into(),
                t: Timestamp::from_millis(0),
            }),
            at: Timestamp::from_millis(412),
            computed_at: Timestamp::from_millis(412),
            profile_seq: 7,
            leaves_at: Some(Timestamp::from_millis(500)),
            merged_into: None,
        }
    }

    #[test]
    fn the_stored_form_round_trips() {
        let change = sample();
        assert_eq!(MembershipChange::decode(&change.encode()).unwrap(), change);
    }

    #[test]
    fn the_json_form_is_the_published_one() {
        assert_eq!(
            sample().to_json(),
            r#"{"id":"chg_0_18231_2","seq":90412,"audience":{"name":"big_spenders","version":3},"profile":{"id":"2009e11b-eb9a-82d8-b2cb-4b34668a26c2","identifiers":{"user_id":["u1"]}},"change":"entered","reason":"event","cause":{"message_id":"o-77","event":"Order Completed","t":"1970-01-01T00:00:00.000Z"},"at":"1970-01-01T00:00:00.412Z","computed_at":"1970-01-01T00:00:00.412Z","profile_seq":7,"leaves_at":"1970-01-01T00:00:00.500Z","merged_into":null}"#
        );
    }
}
