//! A change log that grows, and webhooks on it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use delivery::{ChangeLog, Endpoint, EndpointStatus, Error, Options, Webhooks};
use model::{
    ChangeId, ChangeKind, ChangeReason, ManualClock, MembershipChange, Offset, ProfileId, Secret, Timestamp,
};
use state::Store;
use tokio::sync::watch;

pub(crate) const SECRET: &str = "whsec_ZXhhbXBsZS1zZWNyZXQtb25seS1mb3ItdGhlLWRlbW8=";
pub(crate) const START: i64 = 1_772_442_000_000;

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) head: watch::Sender<u64>,
    pub(crate) changes: ChangeLog,
}

pub(crate) fn change(seq: u64, profile: u8) -> MembershipChange {
    let at = Timestamp::from_millis(START + seq as i64);
    MembershipChange {
        id: ChangeId::at(0, Offset(seq), 0),
        seq,
        audience: "buyers".into(),
        audience_version: 1,
        profile: ProfileId([profile; 16]),
        identifiers: BTreeMap::new(),
        change: ChangeKind::Entered,
        reason: ChangeReason::Event,
        cause: None,
        at,
        computed_at: at,
        profile_seq: seq,
        leaves_at: None,
        merged_into: None,
    }
}

pub(crate) fn endpoint(url: &str) -> Endpoint {
    Endpoint {
        name: "crm".into(),
        url: url.into(),
        secrets: vec![Secret::new(SECRET.into())],
        audiences: Vec::new(),
        batch_max: 100,
        batch_linger: Duration::ZERO,
    }
}

impl World {
    pub(crate) fn new(store: Store) -> Self {
        let last = store.keyspace("changes").unwrap().last().unwrap();
        let head = last.map_or(0, |(key, _)| u64::from_be_bytes(key.try_into().unwrap()));
        let (head, watched) = watch::channel(head);
        let changes = ChangeLog::new(&store, watched).unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(START)));
        Self { store, clock, head, changes }
    }

    /// Appends a change for each profile, in one commit.
    pub(crate) fn append(&self, profiles: &[u8]) {
        let keyspace = self.store.keyspace("changes").unwrap();
        let mut batch = self.store.batch();
        let mut seq = *self.head.borrow();
        for profile in profiles {
            seq += 1;
            batch.put(&keyspace, seq.to_be_bytes(), change(seq, *profile).encode());
        }
        batch.commit().unwrap();
        self.head.send_replace(seq);
    }

    pub(crate) fn start(&self, endpoint: Endpoint) -> Webhooks {
        self.try_start(endpoint, Duration::from_secs(10), true).unwrap()
    }

    pub(crate) fn try_start(
        &self,
        endpoint: Endpoint,
        timeout: Duration,
        loopback: bool,
    ) -> Result<Webhooks, Error> {
        let allow_networks = if loopback { vec!["127.0.0.0/8".parse().unwrap()] } else { Vec::new() };
        let options = Options { allow_networks, timeout };
        Webhooks::start(options, vec![endpoint], self.changes.clone(), self.store.clone(), self.clock.clone())
    }
}

/// Waits until the endpoint's status is as wanted.
pub(crate) async fn until(
    webhooks: &Webhooks,
    what: &str,
    done: impl Fn(&EndpointStatus) -> bool,
) -> EndpointStatus {
    let waiting = async {
        loop {
            let status = webhooks.status().remove(0);
            if done(&status) {
                return status;
            }
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    waited.unwrap_or_else(|_| panic!("waited for {what}, got {:?}", webhooks.status()))
}
