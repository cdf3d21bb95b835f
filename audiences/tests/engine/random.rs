use std::{collections::BTreeSet, time::Duration};

use model::{ChangeReason, EventType};
use proptest::prelude::*;
use semantic::{Audience, Expr, Operator};

use crate::{
    build::{audience, did, did_where, everyone, golden, is, not, property},
    oracle::{Published, holds, instants},
    world::{World, id},
};

const RECORDS: [&str; 4] = ["p1", "p2", "p3", "p4"];

#[derive(Debug, Clone)]
enum Step {
    Tick,
    Track {
        record: usize,
        name: usize,
        x: i64,
        late: i64,
    },
    Number {
        record: usize,
        value: i64,
        late: i64,
    },
    Date {
        record: usize,
        from_now: i64,
    },
    Clear {
        record: usize,
    },
    Merge {
        from: usize,
        into: usize,
    },
    Unmerge {
        record: usize,
    },
    /// Merge, trait and call in one record, as a login does it.
    Login {
        from: usize,
        into: usize,
        name: usize,
    },
    Define(Vec<Expr>),
}

fn step() -> impl Strategy<Value = Step> {
    let record = || 0..RECORDS.len();
    let late = || prop_oneof![3 => Just(0), 1 => 0..30_i64];
    prop_oneof![
        2 => Just(Step::Tick),
        8 => (record(), 0..2_usize, 0..4_i64, late()).prop_map(|(record, name, x, late)| Step::Track { record, name, x, late }),
        2 => (record(), 0..4_i64, late()).prop_map(|(record, value, late)| Step::Number { record, value, late }),
        2 => (record(), -20..40_i64).prop_map(|(record, from_now)| Step::Date { record, from_now }),
        1 => record().prop_map(|record| Step::Clear { record }),
        2 => (record(), record()).prop_map(|(from, into)| Step::Merge { from, into }),
        2 => record().prop_map(|record| Step::Unmerge { record }),
        1 => (record(), record(), 0..2_usize).prop_map(|(from, into, name)| Step::Login { from, into, name }),
        1 => prop::collection::vec(expr(), 1..4).prop_map(Step::Define),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    let ordered = || {
        prop::sample::select(vec![
            Operator::Eq,
            Operator::Ne,
            Operator::Gt,
            Operator::Gte,
            Operator::Lt,
            Operator::Lte,
        ])
    };
    let relative = prop::sample::select(vec![
        Operator::WithinLast,
        Operator::BeforeLast,
        Operator::WithinNext,
        Operator::AfterNext,
    ]);
    let name = || prop::sample::select(vec!["A", "B", "*"]);
    let width = || prop::sample::select(vec![0_u64, 1, 7, 10, 20]);
    let leaf = prop_oneof![
        4 => (name(), width(), ordered(), 0..4_i64).prop_map(|(name, width, op, n)| did(name, width, &[is(op, n)])),
        2 => (name(), width(), ordered(), 0..4_i64, ordered(), 0..4_i64).prop_map(|(name, width, op, n, filter, x)| {
            did_where(name, Some(property("x", is(filter, x))), width, &[is(op, n)])
        }),
        1 => (name(), width(), 0..3_i64, 1..4_i64).prop_map(|(name, width, low, high)| {
            did(name, width, &[is(Operator::Gte, low), is(Operator::Lte, high)])
        }),
        2 => (ordered(), 0..4_i64).prop_map(|(op, n)| golden("number", is(op, n))),
        1 => any::<bool>().prop_map(|exists| golden("number", is(Operator::Exists, exists))),
        2 => (relative, 1..20_u64).prop_map(|(op, d)| golden("date", is(op, Duration::from_millis(d)))),
        1 => Just(everyone()),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(Expr::All),
            prop::collection::vec(inner.clone(), 1..3).prop_map(Expr::Any),
            inner.prop_map(not),
        ]
    })
}

fn named(conditions: Vec<Expr>) -> Vec<Audience> {
    conditions.into_iter().enumerate().map(|(i, c)| audience(&format!("a{i}"), c)).collect()
}

/// A change as the oracle sees it: (at, profile, audience, entered, reason, profile_seq, leaves_at, version).
type Seen = (i64, String, String, bool, ChangeReason, u64, Option<i64>, u32);

/// The brute force beside a world.
struct Oracle {
    published: Published,
    seen: Vec<Seen>,
    clock: i64,
}

impl Oracle {
    fn truth(world: &World, profile: &str, audience: &Audience, now: i64) -> bool {
        holds(world, profile, &audience.condition, now)
    }

    fn profiles(world: &World) -> BTreeSet<String> {
        world.owners.values().cloned().collect()
    }

    fn leaves_at(world: &World, profile: &str, audience: &Audience, now: i64) -> Option<i64> {
        instants(world).range(now + 1..).copied().find(|at| !Self::truth(world, profile, audience, *at))
    }

    fn version(&mut self, audience: &Audience) -> u32 {
        let name = audience.name.to_string();
        self.published.versions.entry(name).or_insert_with(|| (1, Some(audience.condition.clone()))).0
    }

    fn publish(
        &mut self,
        world: &World,
        profile: &str,
        audience: &Audience,
        entered: bool,
        at: i64,
        reason: ChangeReason,
    ) {
        let key = (audience.name.to_string(), profile.to_owned());
        if entered {
            self.published.members.insert(key.clone())
        } else {
            self.published.members.remove(&key)
        };
        let seq = self.published.seqs.entry(profile.to_owned()).or_default();
        *seq += 1;
        let seq = *seq;
        let leaves_at = entered.then(|| Self::leaves_at(world, profile, audience, at)).flatten();
        let version = self.version(audience);
        self.seen.push((at, key.1, key.0, entered, reason, seq, leaves_at, version));
    }

    fn is_member(&self, profile: &str, audience: &Audience) -> bool {
        self.published.members.contains(&(audience.name.to_string(), profile.to_owned()))
    }

    /// Before a record at `clock`: every instant passed, for everybody.
    fn pass(&mut self, world: &World, clock: i64) {
        let due: Vec<i64> = instants(world).range(self.clock..clock).copied().collect();
        for at in due {
            for profile in Self::profiles(world) {
                for audience in world.audiences.clone() {
                    let truth = Self::truth(world, &profile, &audience, at);
                    if truth != self.is_member(&profile, &audience) {
                        self.publish(world, &profile, &audience, truth, at, ChangeReason::Time);
                    }
                }
            }
        }
        self.clock = clock;
    }

    /// What turns at `clock` before the record is applied.
    fn turned(&self, world: &World, profile: &str, clock: i64) -> BTreeSet<String> {
        let turned = world
            .audiences
            .iter()
            .filter(|a| Self::truth(world, profile, a, clock) != self.is_member(profile, a));
        turned.map(|a| a.name.to_string()).collect()
    }

    /// After a record: judges a profile.
    fn judge(&mut self, world: &World, profile: &str, reason_of: &dyn Fn(&str) -> ChangeReason) {
        let clock = self.clock;
        for audience in world.audiences.clone() {
            let truth = Self::truth(world, profile, &audience, clock);
            if truth != self.is_member(profile, &audience) {
                self.publish(world, profile, &audience, truth, clock, reason_of(audience.name.as_str()));
            }
        }
    }

    fn judge_known(
        &mut self,
        world: &World,
        profile: &str,
        by_time: &BTreeSet<String>,
        reason: ChangeReason,
    ) {
        self.judge(world, profile, &|audience| {
            if by_time.contains(audience) { ChangeReason::Time } else { reason }
        });
    }

    fn exit_all(&mut self, world: &World, profile: &str, by_time: &BTreeSet<String>) {
        for audience in world.audiences.clone() {
            if self.is_member(profile, &audience) {
                let by_time = by_time.contains(audience.name.as_str());
                let reason = if by_time { ChangeReason::Time } else { ChangeReason::Merge };
                self.publish(world, profile, &audience, false, self.clock, reason);
            }
        }
    }

    fn define(&mut self, world: &World, old: &[Audience]) {
        let mut all: Vec<Audience> = world.audiences.clone();
        all.extend(old.iter().filter(|a| !world.audiences.iter().any(|b| a.name == b.name)).cloned());
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let mut reasons = Vec::new();
        for audience in &all {
            let defined = world.audiences.iter().any(|b| b.name == audience.name);
            let entry = self.published.versions.entry(audience.name.to_string()).or_insert((0, None));
            let reason = match (&entry.1, defined) {
                (Some(before), true) if *before == audience.condition => ChangeReason::Time,
                (None, true) => ChangeReason::Backfill,
                _ => ChangeReason::Definition,
            };
            if defined && reason != ChangeReason::Time {
                entry.0 += 1;
            }
            entry.1 = defined.then(|| audience.condition.clone());
            reasons.push((audience.clone(), defined, reason));
        }
        for profile in Self::profiles(world) {
            for (audience, defined, reason) in &reasons {
                let truth = *defined && Self::truth(world, &profile, audience, self.clock);
                if truth != self.is_member(&profile, audience) {
                    self.publish(world, &profile, audience, truth, self.clock, *reason);
                }
            }
        }
    }
}

/// Runs one step on both sides.
fn run(world: &mut World, oracle: &mut Oracle, clock: i64, step: &Step) {
    oracle.pass(world, clock);
    match step {
        Step::Tick => world.tick(clock),
        Step::Track { record, name, x, late } => {
            let record = RECORDS[*record];
            let by_time = before_call(world, oracle, record, clock);
            world.track(clock, clock - late, record, ["A", "B"][*name], &format!(r#"{{"x":{x}}}"#));
            let owner = world.owners[record].clone();
            oracle.judge_known(world, &owner, &by_time, ChangeReason::Event);
        }
        Step::Number { record, value, late } => {
            identify(world, oracle, clock, *record, clock - late, "number", &value.to_string());
        }
        Step::Date { record, from_now } => {
            let date = model::Timestamp::from_millis((clock + from_now).max(0));
            identify(world, oracle, clock, *record, clock, "date", &format!("\"{date}\""));
        }
        Step::Clear { record } => identify(world, oracle, clock, *record, clock, "number", "null"),
        Step::Merge { from, into } => merge(world, oracle, clock, *from, *into, None),
        Step::Login { from, into, name } => {
            merge(world, oracle, clock, *from, *into, Some(["A", "B"][*name]))
        }
        Step::Unmerge { record } => unmerge(world, oracle, clock, RECORDS[*record]),
        Step::Define(conditions) => {
            let old = world.audiences.clone();
            // What turns at this very instant for audiences that stay is judged with the rest.
            world.define(clock, named(conditions.clone()));
            oracle.define(world, &old);
        }
    }
}

fn before_call(world: &mut World, oracle: &Oracle, record: &str, clock: i64) -> BTreeSet<String> {
    match world.owners.get(record) {
        Some(owner) => oracle.turned(world, owner, clock),
        None => BTreeSet::new(),
    }
}

fn identify(
    world: &mut World,
    oracle: &mut Oracle,
    clock: i64,
    record: usize,
    t: i64,
    name: &str,
    json: &str,
) {
    let record = RECORDS[record];
    let by_time = before_call(world, oracle, record, clock);
    world.identify(clock, t, record, &[(name, json)]);
    let owner = world.owners[record].clone();
    oracle.judge_known(world, &owner, &by_time, ChangeReason::Trait);
}

fn merge(world: &mut World, oracle: &mut Oracle, clock: i64, from: usize, into: usize, call: Option<&str>) {
    let (Some(from), Some(into)) =
        (world.owners.get(RECORDS[from]).cloned(), world.owners.get(RECORDS[into]).cloned())
    else {
        return world.tick(clock);
    };
    if from == into {
        return world.tick(clock);
    }
    let gone = oracle.turned(world, &from, clock);
    let by_time = oracle.turned(world, &into, clock);
    let at = world.record(clock);
    world.merge_in(at, &from, &into);
    let by_merge = oracle.turned(world, &into, clock);
    if let Some(name) = call {
        let record = world.owners.iter().find(|(_, owner)| **owner == into).map(|(r, _)| r.clone()).unwrap();
        world.call_in(at, clock, &record, EventType::Track, name, r#"{"properties":{"x":1}}"#);
    }
    world.commit();
    oracle.exit_all(world, &from, &gone);
    oracle.judge(world, &into, &|audience| {
        if by_time.contains(audience) {
            ChangeReason::Time
        } else if by_merge.contains(audience) {
            ChangeReason::Merge
        } else {
            ChangeReason::Event
        }
    });
}

fn unmerge(world: &mut World, oracle: &mut Oracle, clock: i64, split: &str) {
    let Some(from) = world.owners.get(split).cloned().filter(|owner| owner != split) else {
        return world.tick(clock);
    };
    let by_time = oracle.turned(world, &from, clock);
    world.unmerge(clock, split);
    let mut both = [from.clone(), split.to_owned()];
    both.sort();
    for profile in both {
        let by_time = if profile == from { by_time.clone() } else { BTreeSet::new() };
        oracle.judge_known(world, &profile, &by_time, ChangeReason::Unmerge);
    }
}

fn seen(world: &World) -> Vec<Seen> {
    let lines = world.changes.iter().map(|c| {
        (
            c.at.as_millis(),
            crate::world::name_of(c.profile),
            c.audience.to_string(),
            c.change == model::ChangeKind::Entered,
            c.reason,
            c.profile_seq,
            c.leaves_at.map(model::Timestamp::as_millis),
            c.audience_version,
        )
    });
    lines.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    /// EV-1 to EV-12 for counts and traits: every change, its instant, reason, number and end equals
    /// brute force over the full history at d - 1 ms, d and d + 1 ms of every deadline; an engine that
    /// is restored from its store after every record does and stores the same.
    #[test]
    fn the_engine_agrees_with_brute_force(
        conditions in prop::collection::vec(expr(), 1..4),
        steps in prop::collection::vec((prop_oneof![2 => Just(0), 3 => 1..6_i64, 1 => 6..40_i64], step()), 1..30),
    ) {
        let mut worlds = [World::new(named(conditions.clone())), World::new(named(conditions))];
        worlds[1].restless = true;
        let mut oracles = [0, 1].map(|_| Oracle { published: Published::default(), seen: Vec::new(), clock: 1_000_000 });
        let mut clock = 1_000_000;
        for (pause, step) in &steps {
            clock += pause;
            for (world, oracle) in worlds.iter_mut().zip(&mut oracles) {
                for audience in &world.audiences {
                    oracle.version(audience);
                }
                run(world, oracle, clock, step);
                prop_assert_eq!(&seen(world), &oracle.seen, "restless: {}, after {:?} at {}", world.restless, step, clock);
                for audience in &world.audiences {
                    let name = audience.name.as_str();
                    let expect: Vec<_> = oracle.published.members.iter().filter(|(a, _)| a == name).map(|(_, p)| id(p)).collect();
                    let page = world.engine.members(name, None, 100);
                    prop_assert_eq!(page.iter().map(|m| m.profile).collect::<Vec<_>>(), expect);
                    prop_assert_eq!(world.engine.size(name), Some(page.len() as u64));
                }
            }
        }
        prop_assert_eq!(&worlds[0].changes, &worlds[1].changes);
        prop_assert_eq!(&worlds[0].dirty, &worlds[1].dirty);
    }
}
