use std::{fmt, sync::Arc};

use eventlog::Log;
use model::{
    DeadLetter, DeadLetterState, DeadLetterStatus, EventType, NewRecord, Offset, RecordKind,
    StoredDeadLetter, Timestamp,
};

use crate::{
    Error,
    answer::Rejection,
    collector::Inner,
    judge::{Call, Judged, judge},
    statistics::Notes,
    webhook,
};

/// Letters acted on with one append.
const CHUNK: usize = 256;

/// The quarantine: what was not accepted, and the way back. It shows what the pipeline has folded into
/// the state so far.
pub struct DeadLetters<L> {
    inner: Arc<Inner<L>>,
}

/// Which letters are meant; what is not given matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of one source.
    pub source: Option<String>,
    /// With one reason.
    pub reason: Option<String>,
    /// With one event name.
    pub event: Option<String>,
    /// Received then or later.
    pub since: Option<Timestamp>,
    /// In one state.
    pub status: Option<DeadLetterStatus>,
    /// One letter.
    pub id: Option<Offset>,
}

/// A letter and its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its place on the log.
    pub id: Offset,
    /// The letter and what became of it.
    pub stored: StoredDeadLetter,
}

/// What a replay did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Events now on the log.
    pub accepted: u64,
    /// Letters whose event was on the log already.
    pub duplicate: u64,
    /// Letters refused again: id, reason and text.
    pub refused: Vec<(Offset, &'static str, String)>,
}

impl Filter {
    fn matches(&self, id: Offset, stored: &StoredDeadLetter) -> bool {
        let letter = &stored.letter;
        let same =
            |wanted: &Option<String>, value: Option<&str>| wanted.is_none() || wanted.as_deref() == value;
        same(&self.source, Some(&letter.source))
            && same(&self.reason, Some(&letter.reason))
            && same(&self.event, letter.event.as_deref())
            && self.since.is_none_or(|since| letter.received_at >= since)
            && self.status.is_none_or(|status| stored.status == status)
            && self.id.is_none_or(|wanted| wanted == id)
    }
}

impl<L: Log> DeadLetters<L> {
    pub(crate) fn new(inner: Arc<Inner<L>>) -> Self {
        Self { inner }
    }

    /// The first `limit` letters that match, oldest first.
    pub fn list(&self, filter: &Filter, limit: usize) -> Result<Vec<Listed>, Error> {
        self.after(filter, None, limit)
    }

    /// One letter.
    pub fn show(&self, id: Offset) -> Result<Listed, Error> {
        let stored = self.inner.letters.get(&id.0.to_be_bytes())?.ok_or(Error::NoDeadLetter(id))?;
        Ok(Listed { id, stored: StoredDeadLetter::decode(&stored)? })
    }

    /// Runs the raw bytes of open letters through today's rules. What is accepted keeps its message id
    /// and its receivedAt, says where it came from, and passes deduplication, so that replaying twice
    /// stores once. With `dry_run` nothing is written.
    pub async fn replay(&self, filter: &Filter, dry_run: bool) -> Result<Replayed, Error> {
        let mut replayed = Replayed::default();
        let mut after = None;
        while let Some(letters) = self.next_open(filter, &mut after)? {
            if dry_run {
                self.try_chunk(&letters, &mut replayed)?;
            } else {
                self.replay_chunk(&letters, &mut replayed).await?;
            }
        }
        Ok(replayed)
    }

    /// Closes open letters; says how many.
    pub async fn drop(&self, filter: &Filter) -> Result<u64, Error> {
        let mut dropped = 0;
        let mut after = None;
        while let Some(letters) = self.next_open(filter, &mut after)? {
            dropped += letters.len() as u64;
            self.append(letters.iter().map(|l| state(DeadLetterState::Dropped(l.id))).collect()).await?;
        }
        Ok(dropped)
    }

    /// The next open letters that match, and moves `after` behind them.
    fn next_open(&self, filter: &Filter, after: &mut Option<Offset>) -> Result<Option<Vec<Listed>>, Error> {
        if filter.status.is_some_and(|status| status != DeadLetterStatus::Open) {
            return Ok(None);
        }
        let open = Filter { status: Some(DeadLetterStatus::Open), ..filter.clone() };
        let letters = self.after(&open, *after, CHUNK)?;
        let Some(last) = letters.last() else { return Ok(None) };
        *after = Some(last.id);
        Ok(Some(letters))
    }

    fn after(&self, filter: &Filter, after: Option<Offset>, limit: usize) -> Result<Vec<Listed>, Error> {
        let from = after.map_or(0, |id| id.0 + 1).to_be_bytes();
        let mut listed = Vec::new();
        for entry in self.inner.letters.range(&from, None) {
            let (key, value) = entry?;
            let Some(id) = key.try_into().ok().map(u64::from_be_bytes).map(Offset) else { continue };
            let stored = StoredDeadLetter::decode(&value)?;
            if filter.matches(id, &stored) {
                listed.push(Listed { id, stored });
                if listed.len() >= limit {
                    break;
                }
            }
        }
        Ok(listed)
    }

    fn try_chunk(&self, letters: &[Listed], replayed: &mut Replayed) -> Result<(), Error> {
        for letter in letters {
            let judged = self.judge(letter);
            match (judged.refused, judged.fingerprint) {
                (Some(refusal), _) => {
                    replayed.refused.push((letter.id, refusal.reason.as_str(), refusal.message))
                }
                (None, Some(key)) if self.inner.dedup.knows(key)? => replayed.duplicate += 1,
                (None, _) => replayed.accepted += 1,
            }
        }
        Ok(())
    }

    async fn replay_chunk(&self, letters: &[Listed], replayed: &mut Replayed) -> Result<(), Error> {
        let judged: Vec<Judged> = letters.iter().map(|letter| self.judge(letter)).collect();
        let keys: Vec<_> = judged.iter().map(|j| j.fingerprint).collect();
        let mut reservation = self.inner.dedup.reserve(&keys)?;
        let mut records = Vec::new();
        for ((letter, judged), fresh) in letters.iter().zip(judged).zip(&reservation.fresh) {
            match (judged.refused, *fresh) {
                (Some(refusal), _) => {
                    records.push(state(DeadLetterState::FailedAgain(letter.id)));
                    replayed.refused.push((letter.id, refusal.reason.as_str(), refusal.message));
                    continue;
                }
                (None, true) => {
                    records.push(judged.record);
                    replayed.accepted += 1;
                }
                (None, false) => replayed.duplicate += 1,
            }
            records.push(state(DeadLetterState::Replayed(letter.id)));
        }
        for mut other in std::mem::take(&mut reservation.others) {
            // A letter must not be closed for a copy that was never stored.
            match other.wait_for(Option::is_some).await.map(|fate| *fate) {
                Ok(Some(Ok(()))) => {}
                _ => return Err(Error::NotReady),
            }
        }
        let result = self.append(records).await;
        reservation.settle(result.as_ref().map(|at| *at).map_err(|_| Rejection::StorageFailed));
        result.map(|_| ())
    }

    async fn append(&self, records: Vec<NewRecord>) -> Result<Timestamp, Error> {
        Ok(self.inner.log.append(records).await?.at)
    }

    /// Today's verdict on a letter.
    fn judge(&self, listed: &Listed) -> Judged {
        let inner = &self.inner;
        let letter = &listed.stored.letter;
        let catalog = Arc::clone(&inner.catalog.borrow());
        let Some(source) = inner.sources.named(&letter.source) else { return without_source(letter) };
        let call = Call {
            source,
            sources: &inner.sources,
            plan: &catalog.tracking_plan,
            options: &inner.options,
            path_type: letter.path_type.as_deref().and_then(EventType::parse),
            import: false,
            webhook: letter.message_id.as_ref().is_some_and(|id| id.starts_with(webhook::KEY_PREFIX)),
            received: letter.received_at,
            sent: None,
            sender: None,
            browser: false,
            request_id: &letter.request_id,
            context: None,
            integrations: None,
            replayed_from: Some(listed.id),
        };
        judge(&letter.raw, letter.index, &call, &mut Notes::default())
    }
}

fn without_source(letter: &DeadLetter) -> Judged {
    use crate::reason::{Reason, Refusal};
    let message = format!("no write key has the source {}", letter.source);
    let record = NewRecord { kind: RecordKind::DeadLetter, payload: letter.encode() };
    let refused = Some(Refusal::new(Reason::KeyMismatch, "", message));
    Judged { record, fingerprint: None, content: None, refused }
}

fn state(state: DeadLetterState) -> NewRecord {
    NewRecord { kind: RecordKind::DeadLetterState, payload: state.encode() }
}

impl<L> fmt::Debug for DeadLetters<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").finish_non_exhaustive()
    }
}
