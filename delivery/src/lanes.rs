use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use model::{MembershipChange, ProfileId, Timestamp};

use crate::request::Request;

const LANES: usize = 64;

/// Changes on their way to one endpoint, in order per profile: a lane has one request in flight; a
/// request that fails parks its profiles until it gets through, and the lane goes on with the others.
#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: Vec<Lane>,
    /// Profiles of requests that failed, and the changes behind those requests.
    parked: HashMap<ProfileId, VecDeque<MembershipChange>>,
    /// Requests that failed, by when they are due.
    retries: BTreeMap<(Timestamp, u64), Request>,
    /// Where the search for the next lane goes on.
    next: usize,
    queued: usize,
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<MembershipChange>,
    busy: bool,
    /// When its first change began to wait (monotonic).
    since: Duration,
}

/// How much company a change waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batching {
    pub(crate) max: usize,
    pub(crate) linger: Duration,
}

impl Default for Lanes {
    fn default() -> Self {
        let lanes = (0..LANES).map(|_| Lane::default()).collect();
        Self { lanes, parked: HashMap::new(), retries: BTreeMap::new(), next: 0, queued: 0 }
    }
}

fn lane_of(profile: ProfileId) -> usize {
    usize::from(profile.0[15] ^ profile.0[0]) % LANES
}

impl Lanes {
    /// Queues a change behind everything of its profile.
    pub(crate) fn push(&mut self, change: MembershipChange, now: Duration) {
        self.queued += 1;
        let lane = &mut self.lanes[lane_of(change.profile)];
        if lane.queue.is_empty() {
            lane.since = now;
        }
        lane.queue.push_back(change);
    }

    /// A request that waits: its profiles are parked.
    pub(crate) fn park(&mut self, request: Request) {
        for profile in &request.profiles {
            self.parked.entry(*profile).or_default();
        }
        self.retries.insert((request.due, request.seq), request);
    }

    /// A request in flight is back; its lane is free.
    pub(crate) fn release(&mut self, request: &Request) {
        if let Some(profile) = request.profiles.first() {
            self.lanes[lane_of(*profile)].busy = false;
        }
    }

    /// A request is over: what waited behind it goes to the front of its lane.
    pub(crate) fn unpark(&mut self, request: &Request) {
        for profile in &request.profiles {
            let lane = &mut self.lanes[lane_of(*profile)];
            for change in self.parked.remove(profile).into_iter().flatten().rev() {
                lane.queue.push_front(change);
            }
        }
    }

    /// The first request that is due and whose lane is free.
    pub(crate) fn next_retry(&mut self, now: Timestamp) -> Option<Request> {
        let due = self.retries.range(..=(now, u64::MAX));
        let free =
            |request: &Request| request.profiles.first().is_some_and(|p| !self.lanes[lane_of(*p)].busy);
        let key = due.filter(|(_, request)| free(request)).map(|(key, _)| *key).next()?;
        let request = self.retries.remove(&key)?;
        self.lanes[lane_of(*request.profiles.first()?)].busy = true;
        Some(request)
    }

    /// The next changes that may go together, from one lane; the request made of them.
    pub(crate) fn next_fresh(
        &mut self,
        batching: Batching,
        idle: bool,
        now: Duration,
    ) -> Option<(Request, Vec<MembershipChange>)> {
        for step in 0..LANES {
            let index = (self.next + step) % LANES;
            let lane = &mut self.lanes[index];
            let full = lane.queue.len() >= batching.max;
            if lane.busy || lane.queue.is_empty() || !(idle || full || lane.since + batching.linger <= now) {
                continue;
            }
            let mut taken = Vec::new();
            while taken.len() < batching.max.max(1) {
                let Some(change) = lane.queue.pop_front() else { break };
                match self.parked.get_mut(&change.profile) {
                    Some(parked) => parked.push_back(change),
                    None => taken.push(change),
                }
            }
            let Some(request) = Request::of(taken.iter(), batching.max) else { continue };
            for change in taken.drain(request.changes as usize..).rev() {
                lane.queue.push_front(change);
            }
            lane.since = now;
            lane.busy = true;
            self.queued -= taken.len();
            self.next = index + 1;
            return Some((request, taken));
        }
        None
    }

    /// How long until a change has waited for company long enough, or a request is due.
    pub(crate) fn wait(&self, batching: Batching, now: Timestamp, monotonic: Duration) -> Option<Duration> {
        let lingering = self.lanes.iter().filter(|lane| !lane.busy && !lane.queue.is_empty());
        let linger = lingering.map(|lane| (lane.since + batching.linger).saturating_sub(monotonic));
        let due = self.retries.keys().map(|(due, _)| due.since(now)).find(|wait| !wait.is_zero());
        linger.filter(|wait| !wait.is_zero()).chain(due).min()
    }

    /// Changes that are not part of a request yet.
    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    /// Changes that wait for a retry.
    pub(crate) fn waiting(&self) -> u64 {
        let behind: usize = self.parked.values().map(VecDeque::len).sum();
        self.retries.values().map(|request| request.changes).sum::<u64>() + behind as u64
    }
}
