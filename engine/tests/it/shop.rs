//! A small shop over a real warehouse in a temporary folder.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use engine::{Engine, Options};
use model::{Clock, ColumnType, Event, EventType, Offset, RecordId, SystemClock, Timestamp, Value};
use semantic::{Catalog, SourceFile};
use tokio::{runtime::Handle, sync::watch};
use warehouse::{ColumnSpec, Embedded, EventRow, EventTablePlan, RowBatch, TableSpec, Upsert};

pub const DEFINITIONS: &str = r#"
version: 1
tracking_plan:
  events:
    - name: Order Completed
      properties: {order_id: {type: string}, revenue: {type: "decimal(12,2)"}, currency: {type: string}, points: {type: int64}}
identity:
  identifiers: [{name: user_id}, {name: email, normalize: email}]
profile:
  traits: {email: {type: string}, country: {type: string}}
semantic_models:
  - name: orders
    model: warehouse.order_completed
    defaults: {agg_time_dimension: ordered_at}
    entities: [{name: order, type: primary, expr: order_id}]
    dimensions:
      - {name: ordered_at, type: time, expr: timestamp, type_params: {time_granularity: second}}
      - {name: currency, type: categorical}
    measures:
      - {name: order_count, agg: count, expr: "1"}
      - {name: revenue, agg: sum}
      - {name: points, agg: sum}
metrics:
  - {name: orders, type: simple, type_params: {measure: order_count}}
  - {name: revenue, type: simple, type_params: {measure: revenue}}
  - {name: points, type: simple, type_params: {measure: points}}
audiences:
  - {name: buyers, description: Ordered once., where: {event: Order Completed, count: {gte: 1}}}
  - {name: aliases, where: {everyone: true}}
"#;

pub struct Shop {
    pub engine: Engine,
    pub warehouse: Embedded,
    pub acknowledged: watch::Sender<Offset>,
    pub definitions: watch::Sender<Arc<Catalog>>,
    _dir: tempfile::TempDir,
}

pub fn definitions(text: &str) -> Arc<Catalog> {
    let file = SourceFile { name: "shop.yaml".into(), text: text.to_owned() };
    let loaded = semantic::load(&[file], &|_| None);
    Arc::new(loaded.catalog.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)))
}

impl Shop {
    pub async fn open() -> Self {
        Self::open_with(Options::on(Handle::current())).await
    }

    pub async fn open_with(options: Options) -> Self {
        Self::open_defined(DEFINITIONS, options).await
    }

    /// A shop under other definitions.
    pub async fn open_defined(text: &str, options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let catalog = definitions(text);
        let plan = catalog.tracking_plan.events.iter().map(|event| EventTablePlan {
            event: event.name.clone(),
            table: event.table.clone(),
            columns: event
                .properties
                .iter()
                .map(|p| (p.name.clone(), p.column.clone(), p.column_type))
                .collect(),
        });
        let stored = warehouse::Options::new(dir.path());
        let warehouse = Embedded::open(stored, plan.collect(), keyed(), Arc::clone(&clock)).await.unwrap();
        let (definitions, catalog) = watch::channel(catalog);
        let (acknowledged, end) = watch::channel(Offset(0));
        let engine = Engine::new(warehouse.clone(), catalog, end, options, clock).unwrap();
        Self { engine, warehouse, acknowledged, definitions, _dir: dir }
    }

    /// Acknowledges an order and makes it visible. `offset` is its place on the log.
    pub fn order(&self, offset: u64, user: &str, revenue: &str, points: i64) {
        self.acknowledged.send_replace(Offset(offset + 1));
        self.show(offset, user, revenue, points);
    }

    /// Makes an order visible.
    pub fn show(&self, offset: u64, user: &str, revenue: &str, points: i64) {
        let properties =
            format!(r#"{{"order_id":"o{offset}","revenue":{revenue},"currency":"EUR","points":{points}}}"#);
        let at = Timestamp::parse("2026-11-01T10:00:00Z").unwrap().plus(Duration::from_secs(offset));
        self.track(offset, at, user, "Order Completed", &properties);
    }

    /// Acknowledges a call and makes it visible. `properties` is JSON.
    pub fn event(&self, offset: u64, at: &str, user: &str, name: &str, properties: &str) {
        self.acknowledged.send_replace(Offset(offset + 1));
        self.track(offset, Timestamp::parse(at).unwrap(), user, name, properties);
    }

    fn track(&self, offset: u64, at: Timestamp, user: &str, name: &str, properties: &str) {
        let body = format!(
            r#"{{"type":"track","event":"{name}","messageId":"m{offset}","userId":"{user}","properties":{properties}}}"#
        );
        let message_id = format!("m{offset}");
        let event = Event {
            source: "web",
            message_id: &message_id,
            event_type: EventType::Track,
            name: Some(name),
            user_id: Some(user),
            anonymous_id: None,
            timestamp: at,
            original_timestamp: None,
            sent_at: None,
            received_at: at,
            request_ip: None,
            body: &body,
        };
        let record_id = Some(RecordId::new(format!("web:{user}")));
        let row = EventRow { offset: Offset(offset), record_id, payload: Bytes::from(event.encode()) };
        self.warehouse.apply(RowBatch { next: Offset(offset + 1), events: vec![row], upserts: Vec::new() });
    }

    /// Says which profile a record belongs to from `offset` on, and until when.
    pub fn belongs(&self, offset: u64, user: &str, profile: &str, from: u64, to: Option<u64>) {
        let number = |n: u64| Value::Int64(i64::try_from(n).unwrap());
        let record = Value::Text(format!("web:{user}"));
        let upsert = Upsert {
            table: "identity_map",
            key: vec![record.clone(), number(from)],
            row: Some(vec![record, text(profile), number(from), to.map_or(Value::Null, number)]),
            offset: Offset(offset),
        };
        self.put(offset, vec![upsert]);
    }

    /// A profile with a country and the user it is found by.
    pub fn profile(&self, offset: u64, profile: &str, user: &str, country: &str) {
        let at = Value::Timestamp(Timestamp::from_millis(0));
        let golden = Upsert {
            table: "profiles",
            key: vec![text(profile)],
            row: Some(vec![
                text(profile),
                text(user),
                Value::Int64(1),
                Value::Null,
                text(country),
                Value::Null,
                at.clone(),
                at,
                Value::Int64(1),
            ]),
            offset: Offset(offset),
        };
        let identifier = Upsert {
            table: "profile_identifiers",
            key: vec![text(profile), text("user_id"), text(user)],
            row: Some(vec![text(profile), text("user_id"), text(user)]),
            offset: Offset(offset),
        };
        self.put(offset, vec![golden, identifier]);
    }

    /// Makes a profile a member.
    pub fn member(&self, offset: u64, audience: &str, profile: &str) {
        let upsert = Upsert {
            table: "audience_members",
            key: vec![text(audience), text(profile)],
            row: Some(vec![
                text(audience),
                text(profile),
                Value::Int64(1),
                Value::Timestamp(Timestamp::from_millis(0)),
                Value::Null,
            ]),
            offset: Offset(offset),
        };
        self.put(offset, vec![upsert]);
    }

    fn put(&self, offset: u64, upserts: Vec<Upsert>) {
        self.acknowledged.send_replace(Offset(offset + 1));
        self.warehouse.apply(RowBatch { next: Offset(offset + 1), events: Vec::new(), upserts });
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn keyed() -> Vec<TableSpec> {
    use ColumnType::{Int64, Json, String, Timestamp};
    let table = |name, key: &[&'static str], columns: &[(&str, ColumnType)]| TableSpec {
        name,
        key: key.to_vec(),
        columns: columns.iter().map(|(name, column_type)| ColumnSpec::new(*name, *column_type)).collect(),
        append_only: false,
    };
    vec![
        table(
            "identity_map",
            &["record_id", "from_version"],
            &[("record_id", String), ("profile_id", String), ("from_version", Int64), ("to_version", Int64)],
        ),
        table(
            "profiles",
            &["profile_id"],
            &[
                ("profile_id", String),
                ("anchor", String),
                ("records", Int64),
                ("email", String),
                ("country", String),
                ("extra", Json),
                ("first_seen", Timestamp),
                ("updated_at", Timestamp),
                ("version", Int64),
            ],
        ),
        table(
            "profile_identifiers",
            &["profile_id", "type", "value"],
            &[("profile_id", String), ("type", String), ("value", String)],
        ),
        table(
            "profile_aliases",
            &["old_id", "from_version"],
            &[
                ("old_id", String),
                ("new_id", String),
                ("reason", String),
                ("from_version", Int64),
                ("to_version", Int64),
            ],
        ),
        table(
            "audience_members",
            &["audience", "profile_id"],
            &[
                ("audience", String),
                ("profile_id", String),
                ("version", Int64),
                ("entered_at", Timestamp),
                ("leaves_at", Timestamp),
            ],
        ),
        table(
            "audience_changes",
            &["seq"],
            &[
                ("seq", Int64),
                ("id", String),
                ("audience", String),
                ("profile_id", String),
                ("change", String),
            ],
        ),
    ]
}
