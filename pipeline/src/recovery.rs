//! Starting again: state as it was committed, and the rows the warehouse lost with its memory.

use bytes::Bytes;
use eventlog::Log;
use model::{Event, NewRecord, Offset, Record, RecordKind, json::Json};
use semantic::{Catalog, IdentityRules};
use warehouse::{Embedded, EventRow, RowBatch};

use audiences::{At, Engine as Audiences, Input};
use identity::Identity;

use crate::{
    Error, rows,
    step::{Step, trait_at},
    stores::Stores,
    worker::Worker,
};

const READ_BYTES: usize = 4 << 20;

/// Gives the warehouse what it had in memory only: everything of records from its durable offset up
/// to `next`, the state's position. Event rows come from the log, the others from state.
pub(crate) fn refill<L: Log>(
    log: &L,
    stores: &Stores,
    catalog: &Catalog,
    identity: &Identity,
    warehouse: &Embedded,
    next: Offset,
) -> Result<(), Error> {
    let durable = warehouse.durable().max(log.start());
    if durable >= next {
        return Ok(());
    }
    events_between(log, durable, next, |record, event| {
        let row = EventRow {
            offset: record.offset,
            record_id: identity::record_of_event(&catalog.identity, event),
            payload: Bytes::copy_from_slice(record.payload),
        };
        // The position moves with the last row only: until then the batch is not whole.
        warehouse.apply(RowBatch { next: durable, events: vec![row], upserts: Vec::new() });
    })?;
    let last = Offset(next.0 - 1);
    let mut upserts = stores.outbox.since(durable, &rows::ALL)?;
    let mut profiles = std::collections::BTreeSet::new();
    for view in identity.records_since(durable) {
        rows::record(&view, last, &mut upserts);
        profiles.insert(view.profile);
    }
    let profiles = profiles.into_iter().filter_map(|id| identity.profile(id));
    upserts.extend(profiles.map(|profile| rows::profile(&profile, &catalog.profile, last)));
    warehouse.apply(RowBatch { next, events: Vec::new(), upserts });
    Ok(())
}

/// Folds history into audience leaves that have none, from the oldest retained record up to `at`.
fn backfill<L: Log>(
    log: &L,
    rules: &IdentityRules,
    identity: &Identity,
    audiences: &mut Audiences,
    at: At,
) -> Result<(), Error> {
    events_between(log, log.start(), at.offset, |record, event| {
        let Some(rid) = identity::record_of_event(rules, event) else { return };
        let Some(profile) = identity.profile_of(rid.as_str()) else { return };
        let body: Json<'_> = event.json();
        let at = At { clock: record.at, offset: record.offset };
        audiences.backfill(Input { at, profile, record: &rid, event, body: &body });
    })
}

fn events_between<L: Log>(
    log: &L,
    from: Offset,
    to: Offset,
    mut each: impl FnMut(&Record<'_>, &Event<'_>),
) -> Result<(), Error> {
    let mut next = from;
    while next < to {
        let batch = log.read(next, READ_BYTES).map_err(|source| Error::Log { offset: next, source })?;
        if batch.is_empty() {
            break;
        }
        for record in batch.records().filter(|r| r.offset < to && r.kind == RecordKind::Event) {
            let event = Event::decode(record.payload)
                .map_err(|source| Error::Record { offset: record.offset, source })?;
            each(&record, &event);
        }
        next = batch.next();
    }
    Ok(())
}

/// The record that makes new definitions take effect at one place of the log.
pub(crate) fn definitions_record(catalog: &Catalog) -> NewRecord {
    NewRecord { kind: RecordKind::Definitions, payload: catalog.version.to_be_bytes().to_vec() }
}

impl<L: Log> Worker<L> {
    /// A definitions record: where it names the definitions that are loaded, new audiences are
    /// evaluated over history, and dropped ones let their members go. Returns the version that took
    /// effect.
    pub(crate) fn definitions(&self, step: &mut Step<'_>, record: &Record<'_>) -> Result<Option<u64>, Error> {
        let version = record.payload.try_into().map(u64::from_be_bytes).ok();
        if version != Some(self.catalog.version) {
            return Ok(None);
        }
        let at = At { clock: record.at, offset: record.offset };
        let (identity, audiences) = step.engines();
        if !audiences.missing() {
            return Ok(version);
        }
        tracing::info!(offset = record.offset.0, "new audiences are evaluated over history");
        if audiences.missing_history() {
            backfill(&self.log, &self.catalog.identity, identity, audiences, at)?;
        }
        if audiences.missing_traits() {
            for id in identity.profiles().collect::<Vec<_>>() {
                let profile = identity.profile(id);
                audiences.backfill_traits(id, &|path| trait_at(profile.as_ref()?, path));
            }
        }
        audiences.finish_backfill(at);
        step.take_changes(at);
        Ok(version)
    }
}
