//! The parts behind an interface, real ones: an empty warehouse, one profile, one audience it is in.

use std::sync::Arc;

use audiences::At;
use identity::{Identity, Observation, RecordOrigin, TenantKey};
use model::{
    Cause, ChangeId, ChangeKind, ChangeReason, Clock, ManualClock, MembershipChange, Offset, Principal,
    ProfileId, Timestamp,
};
use semantic::{Catalog, SourceFile};
use tokio::sync::watch;
use warehouse::{Embedded, EventTablePlan};

use crate::Deps;

const DEFINITIONS: &str = r#"
version: 1
tracking_plan:
  events:
    - name: Order Completed
      properties:
        order_id: {type: string, required: true}
        revenue:  {type: "decimal(12,2)"}
identity:
  identifiers:
    - {name: user_id, limit: 1}
profile:
  traits:
    plan: {type: string}
semantic_models:
  - name: orders
    model: warehouse.order_completed
    defaults: {agg_time_dimension: ordered_at}
    entities:
      - {name: order, type: primary, expr: order_id}
    dimensions:
      - {name: ordered_at, type: time, expr: timestamp, type_params: {time_granularity: second}}
    measures:
      - {name: order_count, agg: count, expr: "1"}
      - {name: revenue, agg: sum}
metrics:
  - {name: orders, type: simple, type_params: {measure: order_count}}
  - {name: revenue, type: simple, type_params: {measure: revenue}}
audiences:
  - name: pro_plan
    description: Pays for the large plan.
    where: {trait: plan, eq: pro}
"#;

/// What `deps` reads from, kept alive as long as it.
pub(crate) struct Fixture {
    pub(crate) deps: Deps,
    pub(crate) profile: ProfileId,
    head: watch::Sender<u64>,
    store: state::Store,
    _catalog: watch::Sender<Arc<Catalog>>,
    _acknowledged: watch::Sender<Offset>,
    _dir: tempfile::TempDir,
}

/// Without a token the local admin asks, with `reader` somebody without a role; other tokens are unknown.
fn authenticate(bearer: Option<&str>) -> Option<Principal> {
    match bearer {
        None => Some(Principal::local_admin()),
        Some("reader") => Some(Principal { name: "reader".into(), roles: Vec::new() }),
        Some(_) => None,
    }
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        let now = Timestamp::parse("2026-03-02T09:00:00Z").expect("an instant");
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(now));
        let catalog = Arc::new(definitions());
        let dir = tempfile::tempdir().expect("a folder");
        let warehouse = warehouse(dir.path(), &catalog, &clock).await;
        let (identity, audiences, profile) = people(&catalog, now);
        let store = state::Store::memory();
        let (head, seen) = watch::channel(0);
        let (catalog_sender, catalog) = watch::channel(catalog);
        let (acknowledged_sender, acknowledged) = watch::channel(Offset(0));
        let options = engine::Options::on(tokio::runtime::Handle::current());
        let engine = engine::Engine::new(warehouse, catalog, acknowledged, options, Arc::clone(&clock));
        let deps = Deps {
            engine: engine.expect("an engine over an empty warehouse"),
            identity: identity::Handle::new(identity),
            audiences: audiences::Handle::new(audiences),
            changes: delivery::ChangeLog::new(&store, seen).expect("a store in memory"),
            auth: Arc::new(authenticate),
            clock,
        };
        let (_catalog, _acknowledged, _dir) = (catalog_sender, acknowledged_sender, dir);
        Self { deps, profile, head, store, _catalog, _acknowledged, _dir }
    }

    /// Appends an entry to the change log.
    pub(crate) fn enter(&self, seq: u64) {
        let at = self.deps.clock.now();
        let change = MembershipChange {
            id: ChangeId::at(0, Offset(seq), 0),
            seq,
            audience: "pro_plan".into(),
            audience_version: 1,
            profile: self.profile,
            identifiers: [("user_id".to_owned(), vec!["u1".to_owned()])].into(),
            change: ChangeKind::Entered,
            reason: ChangeReason::Trait,
            cause: Some(Cause { message_id: "m1".into(), event: "identify".into(), t: at }),
            at,
            computed_at: at,
            profile_seq: seq,
            leaves_at: None,
            merged_into: None,
        };
        let changes = self.store.keyspace("changes").expect("a store in memory");
        let mut batch = self.store.batch();
        batch.put(&changes, seq.to_be_bytes(), change.encode());
        batch.commit().expect("a store in memory");
        self.head.send_replace(seq);
    }
}

fn definitions() -> Catalog {
    let file = SourceFile { name: "test.yaml".into(), text: DEFINITIONS.to_owned() };
    let loaded = semantic::load(&[file], &|_| None);
    let problems: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    loaded.catalog.unwrap_or_else(|| panic!("{}", problems.join("\n")))
}

async fn warehouse(dir: &std::path::Path, catalog: &Catalog, clock: &Arc<dyn Clock>) -> Embedded {
    let plan = catalog.tracking_plan.events.iter().map(|event| EventTablePlan {
        event: event.name.clone(),
        table: event.table.clone(),
        columns: event.properties.iter().map(|p| (p.name.clone(), p.column.clone(), p.column_type)).collect(),
    });
    let keyed = pipeline::table_specs(&catalog.profile);
    let options = warehouse::Options::new(dir);
    Embedded::open(options, plan.collect(), keyed, Arc::clone(clock)).await.expect("an empty warehouse")
}

/// One profile, a member of `pro_plan`.
fn people(catalog: &Catalog, now: Timestamp) -> (Identity, audiences::Engine, ProfileId) {
    let mut identity = Identity::new(catalog.identity.clone(), catalog.profile.clone(), TenantKey([7; 32]));
    let observation = Observation {
        rid: "web:u1".into(),
        kind: RecordOrigin::Known,
        at: now,
        msg: "m1".to_owned(),
        ids: vec![("user_id".to_owned(), "u1".to_owned())],
        traits: vec![("plan".to_owned(), "\"pro\"".to_owned())],
        replace: false,
    };
    let outcome = identity.observe(observation, Offset(0));
    let mut audiences = audiences::Engine::new(&catalog.audiences);
    let at = At { clock: now, offset: Offset(0) };
    let moved: Vec<_> = outcome.moved.iter().map(|m| (m.rid.clone(), m.from, m.to)).collect();
    audiences.topology(at, &moved, &outcome.hidden, &outcome.shown);
    let plan = |name: &str| (name == "plan").then(|| "\"pro\"".to_owned());
    audiences.traits(at, outcome.profile, &plan, None);
    assert_eq!(audiences.take_changes().len(), 1, "the profile enters");
    (identity, audiences, outcome.profile)
}
