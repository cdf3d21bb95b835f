use model::{CodecError, Decoder, Encoder, MembershipChange, ProfileId, Timestamp, json};
use sha2::{Digest, Sha256};

/// Most bytes of changes in one batch.
const BATCH_BYTES: usize = 20 * 1024;
const FORMAT: u8 = 1;

/// Changes that are posted together, with the id and body they keep for all attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// `seq` of its first change: its key in the store.
    pub(crate) seq: u64,
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) profiles: Vec<ProfileId>,
    /// Number of changes.
    pub(crate) changes: u64,
    /// Attempts made.
    pub(crate) attempts: u32,
    /// Not before.
    pub(crate) due: Timestamp,
}

impl Request {
    /// The request for changes of one lane, in their order: as many as fit of `changes`.
    pub(crate) fn of<'a>(changes: impl Iterator<Item = &'a MembershipChange>, max: usize) -> Option<Self> {
        let mut items: Vec<(&MembershipChange, String)> = Vec::new();
        let mut bytes = 0;
        for change in changes.take(max.max(1)) {
            let text = change.to_json();
            bytes += text.len();
            if !items.is_empty() && bytes > BATCH_BYTES {
                break;
            }
            items.push((change, text));
        }
        let (first, text) = items.first()?;
        let (id, body) = match items.len() {
            1 => (first.id.to_string(), single_body(first, text)),
            _ => (batch_id(&items), batch_body(&items)),
        };
        let mut profiles: Vec<ProfileId> = items.iter().map(|(change, _)| change.profile).collect();
        profiles.sort_unstable();
        profiles.dedup();
        let (seq, changes) = (first.seq, items.len() as u64);
        Some(Self { seq, id, body, profiles, changes, attempts: 0, due: Timestamp::default() })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::with_capacity(self.body.len() + 128);
        out.u8(FORMAT).u64(self.seq).text(&self.id).text(&self.body).u64(self.profiles.len() as u64);
        for profile in &self.profiles {
            out.bytes(&profile.0);
        }
        out.u64(self.changes).u64(u64::from(self.attempts)).i64(self.due.as_micros());
        out.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut input = Decoder::new("stored webhook request", bytes);
        if input.u8()? != FORMAT {
            return Err(input.error());
        }
        let (seq, id, body) = (input.u64()?, input.text()?.to_owned(), input.text()?.to_owned());
        let mut profiles = Vec::new();
        for _ in 0..input.u64()? {
            profiles.push(input.bytes()?.try_into().map(ProfileId).map_err(|_| input.error())?);
        }
        Ok(Self {
            seq,
            id,
            body,
            profiles,
            changes: input.u64()?,
            attempts: u32::try_from(input.u64()?).map_err(|_| input.error())?,
            due: Timestamp::from_micros(input.i64()?),
        })
    }
}

fn single_body(change: &MembershipChange, text: &str) -> String {
    let (kind, at) = (change.change.as_str(), json::quote(&change.at.to_string()));
    format!(r#"{{"type":"audience.{kind}","timestamp":{at},"data":{text}}}"#)
}

fn batch_body(items: &[(&MembershipChange, String)]) -> String {
    let latest = items.iter().map(|(change, _)| change.at).max().unwrap_or_default();
    let texts: Vec<&str> = items.iter().map(|(_, text)| text.as_str()).collect();
    let at = json::quote(&latest.to_string());
    format!(r#"{{"type":"audience.changes","timestamp":{at},"data":[{}]}}"#, texts.join(","))
}

fn batch_id(items: &[(&MembershipChange, String)]) -> String {
    let mut hash = Sha256::new();
    for (change, _) in items {
        hash.update(change.id.as_str());
        hash.update("\n");
    }
    let digest = hash.finalize();
    let hex: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("bat_{hex}")
}
