//! What the warehouse promises, against real tables on disk.

mod exactly_once;
mod lossless;
mod queries;

use std::{path::Path, sync::Arc, time::Duration};

use arrow::{
    array::{Array as _, RecordBatch},
    util::display::{ArrayFormatter, FormatOptions},
};
use bytes::Bytes;
use datafusion::prelude::SessionContext;
use model::{ColumnType, Event, EventType, ManualClock, Offset, RecordId, Timestamp, Value};

use crate::{ColumnSpec, Embedded, EventRow, EventTablePlan, Options, RowBatch, Snapshot, TableSpec, Upsert};

struct Bench {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl Bench {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000))),
        }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    async fn open(&self) -> Embedded {
        self.open_with(|_| {}).await
    }

    async fn open_with(&self, change: impl FnOnce(&mut Options)) -> Embedded {
        let mut options = Options::new(self.path());
        change(&mut options);
        Embedded::open(options, vec![plan()], specs(), self.clock.clone()).await.unwrap()
    }

    fn later(&self, by: Duration) {
        self.clock.advance(by);
    }
}

fn plan() -> EventTablePlan {
    EventTablePlan {
        event: "Order Completed".into(),
        table: "order_completed".into(),
        columns: vec![
            ("total".into(), "total".into(), ColumnType::Decimal { precision: 12, scale: 2 }),
            ("order_id".into(), "order_id".into(), ColumnType::String),
            ("meta".into(), "meta".into(), ColumnType::Json),
            ("shipping.city".into(), "shipping_city".into(), ColumnType::String),
        ],
    }
}

fn specs() -> Vec<TableSpec> {
    vec![
        TableSpec {
            name: "profiles",
            key: vec!["profile_id"],
            columns: vec![
                ColumnSpec::new("profile_id", ColumnType::String),
                ColumnSpec::new("visits", ColumnType::Int64),
            ],
            append_only: false,
        },
        TableSpec {
            name: "audience_changes",
            key: vec!["seq"],
            columns: vec![ColumnSpec::new("seq", ColumnType::Int64)],
            append_only: true,
        },
    ]
}

fn track(offset: u64, name: &str, properties: &str) -> EventRow {
    let body = format!(
        r#"{{"type":"track","event":{},"userId":"u{}","properties":{properties},"context":{{"ip":"10.0.0.1","page":{{"path":"/p"}}}}}}"#,
        model::json::quote(name),
        offset % 7
    );
    let user = format!("u{}", offset % 7);
    let time = Timestamp::from_millis(offset.cast_signed() * 1_000);
    let event = Event {
        source: "web",
        message_id: &format!("m{offset}"),
        event_type: EventType::Track,
        name: Some(name),
        user_id: Some(&user),
        anonymous_id: None,
        timestamp: time,
        original_timestamp: Some(time),
        sent_at: None,
        received_at: time,
        request_ip: None,
        body: &body,
    };
    EventRow {
        offset: Offset(offset),
        record_id: Some(RecordId::new(format!("web:user:{user}"))),
        payload: Bytes::from(event.encode()),
    }
}

fn order(offset: u64) -> EventRow {
    track(
        offset,
        "Order Completed",
        &format!(r#"{{"total":{offset}.50,"order_id":"o{offset}","coupon":"c"}}"#),
    )
}

fn events(rows: Vec<EventRow>) -> RowBatch {
    let next = rows.last().map_or(Offset(0), |row| row.offset.plus(1));
    RowBatch { next, events: rows, upserts: Vec::new() }
}

fn orders(from: u64, to: u64) -> RowBatch {
    events((from..to).map(order).collect())
}

fn profile(offset: u64, id: &str, visits: Option<i64>) -> Upsert {
    Upsert {
        table: "profiles",
        key: vec![Value::Text(id.into())],
        row: visits.map(|visits| vec![Value::Text(id.into()), Value::Int64(visits)]),
        offset: Offset(offset),
    }
}

fn upserts(next: u64, upserts: Vec<Upsert>) -> RowBatch {
    RowBatch { next: Offset(next), events: Vec::new(), upserts }
}

async fn batches(snapshot: &Snapshot, sql: &str) -> Vec<RecordBatch> {
    let context = SessionContext::new();
    for table in &snapshot.tables {
        context.register_table(table.name.as_str(), table.provider.clone()).unwrap();
    }
    context.sql(sql).await.unwrap().collect().await.unwrap()
}

/// Rows as texts, columns joined by `|`, nulls as `-`.
async fn ask(snapshot: &Snapshot, sql: &str) -> Vec<String> {
    let options = FormatOptions::new().with_null("-");
    let mut rows = Vec::new();
    for batch in batches(snapshot, sql).await {
        let columns: Vec<_> =
            batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
            rows.push(cells.join("|"));
        }
    }
    rows
}

async fn check(warehouse: &Embedded, sql: &str, expect: &[&str]) {
    assert_eq!(ask(&warehouse.snapshot(), sql).await, expect, "{sql}");
}

fn data_files(dir: &Path, table: &str) -> usize {
    let names = std::fs::read_dir(dir.join(table)).unwrap().map(|e| e.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".parquet")).count()
}

fn log_files(dir: &Path, table: &str) -> Vec<String> {
    let names = std::fs::read_dir(dir.join(table).join("_delta_log")).unwrap();
    names.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect()
}
