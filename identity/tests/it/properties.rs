//! The invariants of `identity.md` §6 over random rules and scripts. `PROPTEST_CASES` sets how many.

use std::collections::{BTreeMap, BTreeSet};

use identity::{
    Current, Identity, LinkStatus, Observation, Outcome, Reason, RefusedEdge, Resolution, profile_id, resolve,
};
use model::{Offset, ProfileId, RecordId};
use proptest::{prelude::*, test_runner::FileFailurePersistence};
use semantic::{IdentityRules, ProfileRules};

use crate::{
    oracle,
    script::{KEY, Step, any_observation, any_profile, any_rules, any_script, identifier, rules},
};

/// The engine beside everything it was told.
struct Run {
    rules: IdentityRules,
    profile: ProfileRules,
    identity: Identity,
    stored: BTreeMap<RecordId, Vec<u8>>,
    told: Vec<Observation>,
    version: u64,
}

/// All that consumers see: record to profile, and profile to identifiers and trait values.
type Seen =
    (BTreeMap<RecordId, ProfileId>, BTreeMap<ProfileId, (Vec<(String, Vec<String>)>, Vec<(String, String)>)>);

impl Run {
    fn new(rules: IdentityRules, profile: ProfileRules) -> Self {
        let identity = Identity::new(rules.clone(), profile.clone(), KEY);
        Self { rules, profile, identity, stored: BTreeMap::new(), told: Vec::new(), version: 0 }
    }

    fn step(&mut self, step: &Step) {
        self.version += 1;
        let version = Offset(self.version);
        let before = self.seen();
        match step {
            Step::Put(observation) => {
                self.told.push(observation.clone());
                let outcome = self.identity.observe(observation.clone(), version);
                assert_eq!(Some(outcome.profile), self.identity.profile_of(outcome.record.as_str()));
                self.outcome_is_exact(&before, &outcome);
                self.store();
            }
            Step::Remove(rid) => {
                self.told.retain(|o| o.rid != *rid);
                if let Some(outcome) = self.identity.remove(rid.as_str(), version) {
                    self.outcome_is_exact(&before, &outcome);
                }
                self.store();
            }
            Step::Rules(rules) => {
                self.rules = rules.clone();
                self.restore();
            }
        }
    }

    fn store(&mut self) {
        for (rid, bytes) in self.identity.take_dirty() {
            match bytes {
                Some(bytes) => self.stored.insert(rid, bytes),
                None => self.stored.remove(&rid),
            };
        }
    }

    fn restore(&mut self) {
        let records = self.stored.clone().into_iter();
        self.identity = Identity::restore(self.rules.clone(), self.profile.clone(), KEY, records).unwrap();
    }

    fn oracle(&self) -> Resolution {
        oracle::resolve(&self.rules, &oracle::group(&self.told))
    }

    fn seen(&self) -> Seen {
        let records =
            self.identity.records().map(|rid| (self.identity.profile_of(rid.as_str()).unwrap(), rid));
        let profiles = self.identity.profiles().map(|id| {
            let profile = self.identity.profile(id).unwrap();
            let traits = profile.traits.into_iter().map(|(name, value)| (name, value.json)).collect();
            (id, (profile.identifiers.into_iter().collect(), traits))
        });
        (records.map(|(id, rid)| (rid, id)).collect(), profiles.collect())
    }

    fn outcome_is_exact(&self, before: &Seen, outcome: &Outcome) {
        let after = self.seen();
        let moved: BTreeSet<_> = outcome.moved.iter().map(|m| (m.rid.clone(), m.from, Some(m.to))).collect();
        let expect: BTreeSet<_> = after
            .0
            .iter()
            .map(|(rid, to)| (rid.clone(), before.0.get(rid).copied(), Some(*to)))
            .filter(|(_, from, to)| from != to)
            .collect();
        assert_eq!(moved, expect, "moved");
        let ids = |seen: &Seen| seen.1.keys().copied().collect::<BTreeSet<ProfileId>>();
        let (old, new) = (ids(before), ids(&after));
        let hidden: BTreeSet<ProfileId> = outcome.hidden.iter().map(|(id, _)| *id).collect();
        assert_eq!(hidden, old.difference(&new).copied().collect(), "hidden");
        assert_eq!(
            outcome.shown.iter().copied().collect::<BTreeSet<_>>(),
            new.difference(&old).copied().collect(),
            "shown"
        );
        for (id, into) in &outcome.hidden {
            let now = match self.identity.current(*id) {
                Current::MovedTo(now) => Some(now),
                Current::Gone => None,
                other => panic!("a hidden id is {other:?}"),
            };
            assert_eq!(*into, now, "hidden into");
        }
        let empty = Default::default();
        let changed: BTreeSet<ProfileId> =
            new.iter().filter(|id| before.1.get(id).unwrap_or(&empty) != &after.1[*id]).copied().collect();
        assert_eq!(outcome.traits_changed.iter().copied().collect::<BTreeSet<_>>(), changed, "changed");
    }

    fn check(&self) {
        let expect = self.oracle();
        assert_eq!(self.identity.resolution(), expect, "the engine equals F (IDR-7)");
        assert_eq!(self.batch(&self.rules), expect, "the batch function equals F");
        for profile in &expect.profiles {
            let id = profile_id(&KEY, profile.anchor.as_str());
            assert_eq!(self.identity.records_of(id), profile.records);
            assert_eq!(self.identity.profile(id).unwrap().identifiers, profile.identifiers);
            for (name, values) in &profile.identifiers {
                for value in values.iter().filter(|value| !value.contains('\u{1f}')) {
                    assert_eq!(self.identity.find(name, value), Some(id), "{name}={value}");
                }
            }
        }
        assert_eq!(self.identity.len(), expect.profiles.len());
    }

    fn batch(&self, rules: &IdentityRules) -> Resolution {
        let folded = self.folded();
        resolve(rules, folded.iter().map(|(rid, bytes)| (rid, bytes.as_slice()))).unwrap()
    }

    fn folded(&self) -> BTreeMap<RecordId, Vec<u8>> {
        let mut folded: BTreeMap<RecordId, Vec<u8>> = BTreeMap::new();
        for o in &self.told {
            let held = folded.get(&o.rid).map(Vec::as_slice);
            let bytes = identity::fold_record(&self.rules, &self.profile, held, o).unwrap();
            folded.insert(o.rid.clone(), bytes);
        }
        folded
    }
}

fn told(rules: &IdentityRules, observations: &[Observation]) -> Run {
    let mut run = Run::new(rules.clone(), ProfileRules::default());
    for o in observations {
        run.step(&Step::Put(o.clone()));
    }
    run
}

/// Observations with unique (at, msg) within a record.
fn any_observations(most: usize) -> impl Strategy<Value = Vec<Observation>> {
    proptest::collection::vec(any_observation(), 1..most).prop_map(|mut all| {
        let mut seen = BTreeSet::new();
        all.retain(|o| seen.insert((o.rid.clone(), o.at, o.msg.clone())));
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        // A failure prints its seed and leaves it beside this file, to be committed with the fix.
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn idr_7_the_engine_equals_f_after_every_step(
        rules in any_rules(),
        profile in any_profile(),
        script in any_script(40),
    ) {
        let mut run = Run::new(rules, profile);
        for step in &script {
            run.step(step);
            run.check();
        }
        let before = (run.identity.resolution(), run.seen());
        run.restore();
        prop_assert_eq!(before, (run.identity.resolution(), run.seen()), "a restart changes nothing");
    }

    #[test]
    fn idr_0_order_and_repetition_make_no_difference(
        rules in any_rules(),
        (observations, shuffled) in any_observations(30).prop_flat_map(|all| {
            let twice: Vec<Observation> = all.iter().chain(all.iter().take(5)).cloned().collect();
            (Just(all), Just(twice).prop_shuffle())
        }),
    ) {
        let (a, b) = (told(&rules, &observations), told(&rules, &shuffled));
        prop_assert_eq!(a.identity.resolution(), b.identity.resolution());
        prop_assert_eq!(a.seen(), b.seen());
        prop_assert_eq!(a.folded(), b.folded(), "the stored fold is the same bytes");
    }

    #[test]
    fn idr_1_and_3_limits_and_pairs_hold_and_refusals_are_true(
        rules in any_rules(),
        observations in any_observations(40),
    ) {
        let run = told(&rules, &observations);
        let output = run.identity.resolution();
        let limit = |name: &str| rules.identifiers.iter().find(|t| t.name == name).and_then(|t| t.limit);
        for profile in &output.profiles {
            for (name, values) in &profile.identifiers {
                prop_assert!(limit(name).is_none_or(|k| values.len() <= k.get() as usize));
            }
            for (a, b) in rules.never.iter().filter(|(a, b)| a != b) {
                prop_assert!(!(profile.records.contains(a) && profile.records.contains(b)));
            }
        }
        let of = |rid: &RecordId| output.profiles.iter().find(|p| p.records.contains(rid)).unwrap();
        for refused in &output.refused {
            if let (RefusedEdge::Link { record, .. }, Reason::Limit { identifier, left, right }) = (&refused.edge, &refused.reason) {
                let held = of(record).identifiers.get(identifier).cloned().unwrap_or_default();
                prop_assert!(left.iter().all(|value| held.contains(value)), "witnesses stay with the record");
                prop_assert!(left.len() + right.len() > limit(identifier).unwrap().get() as usize);
            }
            if let Reason::Never { left, right } = &refused.reason {
                prop_assert!(of(left).anchor != of(right).anchor);
            }
        }
    }

    #[test]
    fn idr_2_a_lower_type_never_splits_a_higher_merge(
        rules in any_rules(),
        observations in any_observations(40),
    ) {
        let run = told(&rules, &observations);
        for count in 1..rules.identifiers.len() {
            let of = |n: usize| IdentityRules { identifiers: rules.identifiers[..n].to_vec(), ..rules.clone() };
            let (upper, lower) = (run.batch(&of(count)), run.batch(&of(count + 1)));
            for profile in &upper.profiles {
                let holders = lower.profiles.iter().filter(|p| p.records.iter().any(|r| profile.records.contains(r)));
                prop_assert_eq!(holders.count(), 1);
            }
        }
    }

    #[test]
    fn idr_5_and_6_what_is_undone_leaves_no_trace(
        rules in any_rules(),
        observations in any_observations(30),
        extra in any_observation(),
    ) {
        let mut run = told(&rules, &observations);
        run.step(&Step::Remove(extra.rid.clone()));
        let before = (run.identity.resolution(), run.seen());
        run.step(&Step::Put(extra.clone()));
        run.step(&Step::Remove(extra.rid.clone()));
        prop_assert_eq!(&before, &(run.identity.resolution(), run.seen()));
        let mut other = rules.clone();
        other.never.push((observations[0].rid.clone(), extra.rid));
        run.step(&Step::Rules(other));
        run.step(&Step::Rules(rules));
        prop_assert_eq!(&before, &(run.identity.resolution(), run.seen()));
    }

    #[test]
    fn idr_8_paths_are_joins_and_obstacles_are_real(
        rules in any_rules(),
        observations in any_observations(30),
    ) {
        let run = told(&rules, &observations);
        let records: Vec<RecordId> = run.identity.records().collect();
        for (a, b) in records.iter().flat_map(|a| records.iter().map(move |b| (a, b))) {
            let together = run.identity.profile_of(a.as_str()) == run.identity.profile_of(b.as_str());
            prop_assert_eq!(run.identity.explain(a.as_str(), b.as_str()).is_some(), together);
            prop_assert_eq!(run.identity.why_not(a.as_str(), b.as_str()).is_none(), together);
            for obstacle in run.identity.why_not(a.as_str(), b.as_str()).into_iter().flatten() {
                if let identity::Obstacle::Rejected { record, identifier, value } = obstacle {
                    let view = run.identity.record(record.as_str()).unwrap();
                    let link = view.links.iter().find(|l| l.identifier == identifier && l.value == value).unwrap();
                    prop_assert_eq!(link.status, LinkStatus::Rejected);
                }
            }
        }
    }

    #[test]
    fn without_limits_profiles_are_connected_components(observations in any_observations(60)) {
        let rules = rules(vec![identifier("user_id"), identifier("email"), identifier("device")]);
        let run = told(&rules, &observations);
        // Plain union-find over record and value texts.
        let mut parent: BTreeMap<String, String> = BTreeMap::new();
        fn root(parent: &BTreeMap<String, String>, at: &str) -> String {
            match parent.get(at) {
                Some(up) if up != at => root(parent, up),
                _ => at.to_owned(),
            }
        }
        let set = oracle::group(&observations);
        for (rid, list) in &set {
            let row = list.iter().filter(|o| o.replace).map(|o| (o.at, &o.msg)).max();
            for o in list.iter().filter(|o| row.is_none_or(|row| (o.at, &o.msg) >= row)) {
                for (name, value) in o.ids.iter().filter(|(_, v)| !v.is_empty() && v != "null") {
                    let (a, b) = (root(&parent, rid.as_str()), root(&parent, &format!("{name}={value}")));
                    parent.insert(a, b);
                }
            }
        }
        let mut parts: BTreeMap<String, Vec<RecordId>> = BTreeMap::new();
        for rid in set.keys() {
            parts.entry(root(&parent, rid.as_str())).or_default().push(rid.clone());
        }
        let expect: BTreeSet<Vec<RecordId>> = parts.into_values().collect();
        let found: BTreeSet<Vec<RecordId>> =
            run.identity.resolution().profiles.into_iter().map(|p| p.records).collect();
        prop_assert_eq!(found, expect);
    }
}
