//! All tables in memory: which rows go where, and how they are shown together.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use arrow::error::ArrowError;
use model::{EventType, Offset, Timestamp, naming::event_table_name};
use tokio::sync::Mutex;

use crate::{
    Error,
    call::{Call, Payload, payload_of},
    column::{Cell, cell},
    columns::Columns,
    delta::{DeltaFiles, Shared},
    flatten::{Conflict, Flattener},
    keyed::KeyedTable,
    layout::{self, Kind},
    log_table::LogTable,
    provider::PinnedTable,
    snapshot::{Changes, Snapshot, Table},
    spec::{EventRow, Options, RowBatch, TableSpec, Upsert},
};

/// Names that an event's table must not take, besides those of standard tables and specs.
const TAKEN: [&str; 1] = ["events"];
pub(crate) const EVENTS: usize = 0;
pub(crate) const CONFLICTS: usize = 1;
/// Event names remembered; a sender that makes up names gets no more memory than that.
const MOST_NAMES: usize = 16_384;

#[derive(Debug)]
pub(crate) enum Body {
    /// `events`, `etalon__conflicts` and append-only tables of the caller.
    Plain(LogTable),
    /// A typed event table.
    Typed(LogTable, Flattener),
    Keyed(KeyedTable),
}

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) body: Body,
    pub(crate) files: Arc<Mutex<DeltaFiles>>,
    changes: Changes,
}

impl Slot {
    pub(crate) fn log(&mut self) -> Option<&mut LogTable> {
        match &mut self.body {
            Body::Plain(table) | Body::Typed(table, _) => Some(table),
            Body::Keyed(_) => None,
        }
    }

    fn pin(&mut self) -> Result<PinnedTable, Error> {
        let pinned = match &mut self.body {
            Body::Plain(table) | Body::Typed(table, _) => table.pin(),
            Body::Keyed(table) => table.pin(),
        };
        pinned.map_err(|e| Error::arrow(&self.name, e))
    }

    fn bound(&mut self) -> Result<(), ArrowError> {
        match &mut self.body {
            Body::Plain(table) | Body::Typed(table, _) => table.bound(),
            Body::Keyed(table) => table.bound(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) slots: Vec<Slot>,
    names: HashMap<String, usize>,
    /// Table of each event name seen; `None` beyond the cap.
    by_event: HashMap<Box<str>, Option<usize>>,
    event_tables: usize,
    pub(crate) next: Offset,
    /// Rows applied since the last flush began.
    pub(crate) waiting: usize,
    /// Events that could not be decoded.
    pub(crate) undecodable: u64,
    options: Options,
    shared: Shared,
}

impl State {
    pub(crate) fn new(options: Options, shared: Shared) -> Self {
        Self {
            slots: Vec::new(),
            names: HashMap::new(),
            by_event: HashMap::new(),
            event_tables: 0,
            next: Offset(0),
            waiting: 0,
            undecodable: 0,
            options,
            shared,
        }
    }

    pub(crate) fn add(&mut self, name: &str, body: Body, files: DeltaFiles) -> usize {
        let slot = self.slots.len();
        self.event_tables += usize::from(matches!(body, Body::Typed(..)));
        self.names.insert(name.to_owned(), slot);
        let (files, changes) = (Arc::new(Mutex::new(files)), Changes::default());
        self.slots.push(Slot { name: name.to_owned(), body, files, changes });
        slot
    }

    pub(crate) fn knows(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Says which table a planned event goes to.
    pub(crate) fn route(&mut self, event: &str, table: &str) {
        self.by_event.insert(event.into(), self.names.get(table).copied());
    }

    /// Applies a batch; rows that their table has already stored are skipped (SINK-1).
    pub(crate) fn apply(&mut self, batch: &RowBatch, now: Timestamp) {
        for row in &batch.events {
            match Call::read(row, now) {
                Ok(call) => self.apply_event(row, &call),
                Err(error) => {
                    self.undecodable += 1;
                    tracing::error!(offset = row.offset.0, %error, "event cannot be decoded, skipped");
                }
            }
        }
        for upsert in &batch.upserts {
            self.apply_upsert(upsert);
        }
        for slot in &mut self.slots {
            if let Err(error) = slot.bound() {
                tracing::error!(table = slot.name, %error, "rows cannot be merged");
            }
        }
        self.waiting += batch.events.len() + batch.upserts.len();
        self.next = self.next.max(batch.next);
    }

    fn apply_event(&mut self, row: &EventRow, call: &Call<'_>) {
        let typed = self.typed_slot(call);
        let (events, others) = self.slots.split_at_mut(EVENTS + 1);
        let name = match (typed, call.event.name) {
            (Some(slot), _) => Cow::Borrowed(others[slot - EVENTS - 1].name.as_str()),
            (None, Some(event)) => Cow::Owned(event_table_name(event)),
            (None, None) => Cow::Borrowed(""),
        };
        if let Body::Plain(events) = &mut events[EVENTS].body
            && row.offset >= events.durable
        {
            write_event(&mut events.columns, call, &name);
        }
        events[EVENTS].changes.count();
        let Some(slot) = typed else { return };
        let mut conflicts = Vec::new();
        if let Body::Typed(table, flattener) = &mut self.slots[slot].body
            && row.offset >= table.durable
        {
            conflicts = flattener.write(&mut table.columns, call);
        }
        self.slots[slot].changes.count();
        for conflict in conflicts {
            self.write_conflict(slot, call, &conflict);
        }
    }

    fn write_conflict(&mut self, slot: usize, call: &Call<'_>, conflict: &Conflict) {
        let name = self.slots[slot].name.clone();
        self.slots[CONFLICTS].changes.count();
        let Some(table) = self.slots[CONFLICTS].log() else { return };
        if call.row.offset < table.durable {
            return;
        }
        let columns = &mut table.columns;
        let texts = [&name, call.event.message_id, &conflict.column, &conflict.value, conflict.reason];
        for (column, text) in texts.into_iter().enumerate() {
            columns.set_text(column, Some(text));
        }
        columns.set(5, Cell::Timestamp(call.event.received_at.as_micros()));
        columns.set(6, Cell::Timestamp(call.loaded_at.as_micros()));
        columns.set(7, Cell::Int64(call.row.offset.0.cast_signed()));
        columns.end_row();
    }

    fn typed_slot(&mut self, call: &Call<'_>) -> Option<usize> {
        let standard = match call.event.event_type {
            EventType::Track => return self.event_slot(call.event.name?),
            EventType::Identify => "identifies",
            EventType::Page => "pages",
            EventType::Screen => "screens",
            EventType::Group => "groups",
            EventType::Alias => "aliases",
            EventType::Merge => return None,
        };
        self.names.get(standard).copied()
    }

    fn event_slot(&mut self, event: &str) -> Option<usize> {
        if let Some(slot) = self.by_event.get(event) {
            return *slot;
        }
        let mut name = event_table_name(event);
        let other = |slot: &usize| !self.is_track_table(*slot);
        if TAKEN.contains(&name.as_str()) || self.names.get(&name).is_some_and(other) {
            name.insert(0, '_');
        }
        let slot = match self.names.get(&name) {
            Some(slot) => Some(*slot),
            None if self.event_tables >= self.options.max_event_tables => None,
            None => Some(self.add_event_table(&name)),
        };
        if self.by_event.len() < MOST_NAMES {
            self.by_event.insert(event.into(), slot);
        }
        slot
    }

    fn is_track_table(&self, slot: usize) -> bool {
        matches!(&self.slots[slot].body, Body::Typed(_, flattener) if flattener.kind() == Kind::Track)
    }

    fn add_event_table(&mut self, name: &str) -> usize {
        let mut columns = layout::standard(Kind::Track);
        let flattener = Flattener::new(name, Kind::Track, None, &mut columns, self.options.max_columns);
        let files = DeltaFiles::absent(&self.shared, &self.options.dir, name, EVENT_RANGES);
        let table = LogTable::new(columns, Offset(0), None);
        self.add(name, Body::Typed(table, flattener), files)
    }

    fn apply_upsert(&mut self, upsert: &Upsert) {
        let Some(slot) = self.names.get(upsert.table).copied() else {
            debug_assert!(false, "table {} has no spec", upsert.table);
            return;
        };
        self.slots[slot].changes.count();
        match &mut self.slots[slot].body {
            Body::Keyed(table) => table.apply(upsert),
            Body::Plain(table) if upsert.offset >= table.durable => {
                let columns = &mut table.columns;
                for (column, value) in upsert.row.iter().flatten().enumerate() {
                    if let Some(cell) = cell(columns.column_type(column), value) {
                        columns.set(column, cell);
                    }
                }
                columns.end_row();
            }
            Body::Plain(_) | Body::Typed(..) => {}
        }
    }

    pub(crate) fn snapshot(&mut self) -> Result<Snapshot, Error> {
        let mut tables = Vec::with_capacity(self.slots.len() + 2);
        for slot in &mut self.slots {
            let pinned = slot.pin()?;
            let (name, version) = (slot.name.clone(), slot.changes.pin());
            tables.push(Table { schema: "warehouse", name, provider: Arc::new(pinned), version });
        }
        Ok(Snapshot { next: self.next, tables })
    }
}

/// Columns of event tables that files are skipped by.
pub(crate) const EVENT_RANGES: &str = "timestamp,received_at,log_offset,record_id,user_id";

fn write_event(columns: &mut Columns, call: &Call<'_>, table: &str) {
    layout::write_common(columns, call);
    layout::write_own(columns, Kind::Events, call, table);
    columns.set_text(layout::PASSED_IP, call.passed_ip());
    let mut text = String::with_capacity(256);
    if let Some(payload) = &call.payload {
        payload.write(&mut text);
        let properties = payload_of(call.event.event_type) == Payload::Properties;
        columns.set_text(layout::payload_column(Kind::Events, properties), Some(&text));
    }
    if let Some(context) = &call.context {
        text.clear();
        context.write(&mut text);
        columns.set_text(layout::EVENTS_CONTEXT, Some(&text));
    }
    let extra = layout::extra_text(call.rest.iter().map(|(name, value)| (name.as_ref(), value)));
    columns.set_text(layout::EXTRA, extra.as_deref());
    columns.end_row();
}

/// The columns of `etalon__conflicts`.
pub(crate) fn conflict_columns() -> Columns {
    use model::ColumnType::{Int64, String, Timestamp};
    let mut columns = Columns::default();
    for name in ["table_name", "row_id", "column_name", "column_value", "reason"] {
        columns.add(name, String);
    }
    columns.add("received_at", Timestamp);
    columns.add("uuid_ts", Timestamp);
    columns.add("log_offset", Int64);
    columns
}

/// The columns of an append-only table of the caller.
pub(crate) fn plain_columns(spec: &TableSpec) -> Columns {
    let mut columns = Columns::default();
    for column in &spec.columns {
        columns.add(&column.name, column.column_type);
    }
    columns
}
