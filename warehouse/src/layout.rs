//! The standard columns of event tables and how a call fills them.

use model::{ColumnType, Event, EventType, json::Json, json::write_quoted};

use crate::{call::Call, column::Cell, columns::Columns};

/// What one event table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Every event of any type, unflattened.
    Events,
    /// One event name of track calls.
    Track,
    Identifies,
    /// Pages or screens.
    Views,
    Groups,
    Aliases,
}

impl Kind {
    /// Text columns besides the common ones, in order.
    fn own_texts(self) -> &'static [&'static str] {
        match self {
            Self::Events => &[
                "type",
                "event",
                "event_text",
                "category",
                "group_id",
                "previous_id",
                "properties",
                "traits",
                "context",
            ],
            Self::Track => &["event", "event_text", "properties"],
            Self::Identifies => &["traits"],
            Self::Views => &["name", "category", "properties"],
            Self::Groups => &["group_id", "traits"],
            Self::Aliases => &["previous_id", "traits"],
        }
    }
}

/// `context_passed_ip`: where `context.ip` goes.
pub(crate) const PASSED_IP: usize = 12;
const COMMON: usize = 16;

/// Columns every event table starts with; their place is their number.
const COMMON_COLUMNS: [(&str, ColumnType); COMMON] = [
    ("id", ColumnType::String),
    ("record_id", ColumnType::String),
    ("user_id", ColumnType::String),
    ("anonymous_id", ColumnType::String),
    ("context_source_id", ColumnType::String),
    ("channel", ColumnType::String),
    ("timestamp", ColumnType::Timestamp),
    ("original_timestamp", ColumnType::Timestamp),
    ("sent_at", ColumnType::Timestamp),
    ("received_at", ColumnType::Timestamp),
    ("context_ip", ColumnType::String),
    ("context_request_ip", ColumnType::String),
    ("context_passed_ip", ColumnType::String),
    ("log_offset", ColumnType::Int64),
    ("uuid_ts", ColumnType::Timestamp),
    ("etalon__extra", ColumnType::Json),
];
pub(crate) const EXTRA: usize = 15;

/// The standard columns of a table of this kind, in order.
pub(crate) fn standard(kind: Kind) -> Columns {
    let mut columns = Columns::default();
    for (name, column_type) in COMMON_COLUMNS {
        columns.add(name, column_type);
    }
    for name in kind.own_texts() {
        let json = matches!(*name, "properties" | "traits" | "context");
        columns.add(name, if json { ColumnType::Json } else { ColumnType::String });
    }
    columns
}

/// Number of standard columns.
pub(crate) fn standard_len(kind: Kind) -> usize {
    COMMON + kind.own_texts().len()
}

/// Fills the common columns but `context_passed_ip` and `etalon__extra`.
pub(crate) fn write_common(columns: &mut Columns, call: &Call<'_>) {
    let event = &call.event;
    let request_ip = event.request_ip.map(|ip| ip.to_string());
    columns.set_text(0, Some(event.message_id));
    columns.set_text(1, call.record_id());
    columns.set_text(2, event.user_id);
    columns.set_text(3, event.anonymous_id);
    columns.set_text(4, Some(event.source));
    columns.set_text(5, call.channel.as_deref());
    columns.set(6, Cell::Timestamp(event.time().as_micros()));
    for (column, time) in [(7, event.original_timestamp), (8, event.sent_at)] {
        if let Some(time) = time {
            columns.set(column, Cell::Timestamp(time.as_micros()));
        }
    }
    columns.set(9, Cell::Timestamp(event.received_at.as_micros()));
    columns.set_text(10, call.passed_ip().or(request_ip.as_deref()));
    columns.set_text(11, request_ip.as_deref());
    columns.set(13, Cell::Int64(call.row.offset.0.cast_signed()));
    columns.set(14, Cell::Timestamp(call.loaded_at.as_micros()));
}

/// Fills the columns that tables of this kind have besides, JSON columns excepted.
pub(crate) fn write_own(columns: &mut Columns, kind: Kind, call: &Call<'_>, table: &str) {
    let event = &call.event;
    let at = |n: usize| COMMON + n;
    match kind {
        Kind::Events => {
            columns.set_text(at(0), Some(event.event_type.as_str()));
            columns.set_text(at(1), (event.event_type == EventType::Track).then_some(table));
            columns.set_text(at(2), shown_name(event, call));
            columns.set_text(at(3), call.category.as_deref());
            columns.set_text(at(4), call.group_id.as_deref());
            columns.set_text(at(5), call.previous_id.as_deref());
        }
        Kind::Track => {
            columns.set_text(at(0), Some(table));
            columns.set_text(at(1), event.name);
        }
        Kind::Identifies => {}
        Kind::Views => {
            columns.set_text(at(0), call.title.as_deref());
            columns.set_text(at(1), call.category.as_deref());
        }
        Kind::Groups => columns.set_text(at(0), call.group_id.as_deref()),
        Kind::Aliases => columns.set_text(at(0), call.previous_id.as_deref()),
    }
}

fn shown_name<'a>(event: &Event<'a>, call: &'a Call<'_>) -> Option<&'a str> {
    event.name.or(call.title.as_deref())
}

/// The column of a table's `properties` or `traits`: its last standard column, except in `events`.
pub(crate) fn payload_column(kind: Kind, properties: bool) -> usize {
    match kind {
        Kind::Events if properties => COMMON + 6,
        Kind::Events => COMMON + 7,
        _ => standard_len(kind) - 1,
    }
}

/// The `context` column of `events`.
pub(crate) const EVENTS_CONTEXT: usize = COMMON + 8;

/// What has no column of its own, as one JSON object; `None` if there is nothing.
pub(crate) fn extra_text<'a>(entries: impl Iterator<Item = (&'a str, &'a Json<'a>)>) -> Option<String> {
    let mut text = String::new();
    for (name, value) in entries {
        text.push(if text.is_empty() { '{' } else { ',' });
        write_quoted(name, &mut text);
        text.push(':');
        value.write(&mut text);
    }
    (!text.is_empty()).then(|| text + "}")
}
