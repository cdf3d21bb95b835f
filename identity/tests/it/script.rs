//! Random rules and scripts: a small world, so that everything collides.

use std::{num::NonZeroU32, time::Duration};

use identity::{Observation, RecordOrigin, TenantKey};
use model::{ColumnType, RecordId, Timestamp};
use proptest::{collection::vec, prelude::*};
use semantic::{
    Block, BlockTarget, IdentifierType, IdentityRules, Keep, LinkOrder, MergeRule, Normalizer, OnConflict,
    Otherwise, ProfileRules, TraitRule,
};

pub(crate) const KEY: TenantKey = TenantKey([7; 32]);

pub(crate) fn identifier(name: &str) -> IdentifierType {
    IdentifierType {
        name: name.to_owned(),
        limit: None,
        max_fanout: None,
        normalize: Vec::new(),
        from: Vec::new(),
        keep: Keep::All,
        order: LinkOrder::OldestFirst,
        on_conflict: OnConflict::Reject,
    }
}

pub(crate) fn rules(identifiers: Vec<IdentifierType>) -> IdentityRules {
    IdentityRules {
        identifiers,
        block: Vec::new(),
        must: Vec::new(),
        never: Vec::new(),
        default_blocks: true,
        max_backdate: Duration::from_secs(30 * 86_400),
    }
}

pub(crate) fn limited(name: &str, limit: u32) -> IdentifierType {
    IdentifierType { limit: NonZeroU32::new(limit), ..identifier(name) }
}

pub(crate) fn observation(rid: &str, at: i64, ids: &[(&str, &str)]) -> Observation {
    Observation {
        rid: rid.into(),
        kind: RecordOrigin::Known,
        at: Timestamp::from_micros(at),
        msg: String::new(),
        ids: ids.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        traits: Vec::new(),
        replace: false,
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Put(Observation),
    Remove(RecordId),
    /// New rules take effect: a restart over the stored records.
    Rules(IdentityRules),
}

fn any_rid() -> impl Strategy<Value = RecordId> {
    (0..9u8).prop_map(|n| RecordId::new(format!("s{}:{n}", n % 3)))
}

fn any_type(name: &'static str) -> impl Strategy<Value = IdentifierType> {
    let bounds = prop_oneof![
        3 => Just((None, None)),
        3 => Just((Some(1), None)),
        2 => Just((Some(2), None)),
        2 => (2..5u32).prop_map(|m| (None, Some(m))),
        1 => (2..5u32).prop_map(|m| (Some(2), Some(m))),
    ];
    (bounds, any::<[bool; 4]>(), 0..4u8).prop_map(
        move |((limit, fanout), [lower, latest, newest, _], isolate)| IdentifierType {
            limit: limit.and_then(NonZeroU32::new),
            max_fanout: fanout.and_then(NonZeroU32::new),
            normalize: if lower { vec![Normalizer::Lowercase] } else { Vec::new() },
            from: if name == "person" { vec!["t1".to_owned(), "t2".to_owned()] } else { Vec::new() },
            keep: if latest { Keep::Latest } else { Keep::All },
            order: if newest { LinkOrder::NewestFirst } else { LinkOrder::OldestFirst },
            on_conflict: if isolate == 0 { OnConflict::Isolate } else { OnConflict::Reject },
            ..identifier(name)
        },
    )
}

pub(crate) fn any_rules() -> impl Strategy<Value = IdentityRules> {
    let types = (any_type("user_id"), any_type("email"), any_type("person"), any_type("device"), 0..5usize);
    let pairs = || vec((any_rid(), any_rid()), 0..3);
    let block = prop_oneof![
        (0..4u8).prop_map(|v| Block {
            identifier: Some("email".to_owned()),
            target: BlockTarget::Value(format!(" V{v}")),
        }),
        (0..4u8).prop_map(|v| Block { identifier: None, target: BlockTarget::Value(format!("v{v}")) }),
        any_rid().prop_map(|rid| Block { identifier: None, target: BlockTarget::Record(rid) }),
    ];
    (types, pairs(), pairs(), vec(block, 0..2), any::<bool>()).prop_map(
        |((a, b, c, d, count), must, never, block, default_blocks)| {
            let identifiers = vec![a, b, c, d].into_iter().take(count).collect();
            IdentityRules { must, never, block, default_blocks, ..rules(identifiers) }
        },
    )
}

pub(crate) fn any_profile() -> impl Strategy<Value = ProfileRules> {
    let rule = |name: &str, column_type, merge, sources: &[&str]| TraitRule {
        name: name.to_owned(),
        column_type,
        merge,
        sources: sources.iter().map(|s| (*s).to_owned()).collect(),
        otherwise: Otherwise::Others,
    };
    let merges =
        [MergeRule::Latest, MergeRule::First, MergeRule::Union, MergeRule::MostFrequent, MergeRule::Max];
    (0..merges.len(), any::<bool>()).prop_map(move |(merge, sources)| ProfileRules {
        traits: vec![
            rule("t1", ColumnType::String, merges[merge], if sources { &["s1"] } else { &[] }),
            rule("t2", ColumnType::Json, MergeRule::Latest, &[]),
        ],
    })
}

pub(crate) fn any_observation() -> impl Strategy<Value = Observation> {
    let value = prop_oneof![
        12 => (0..5u8, any::<bool>()).prop_map(|(v, upper)| format!("{}{v}", if upper { "V" } else { "v" })),
        1 => Just("null".to_owned()),
        1 => Just(String::new()),
    ];
    let name = prop_oneof![2 => Just("user_id"), 2 => Just("email"), 1 => Just("device")];
    let ids = vec((name.prop_map(str::to_owned), value), 0..3);
    let json = prop_oneof![4 => (0..3u8).prop_map(|v| format!("\"w{v}\"")), 1 => Just("null".to_owned())];
    let traits = vec((prop_oneof![Just("t1"), Just("t2")].prop_map(str::to_owned), json), 0..3);
    (any_rid(), 0..12i64, 0..3u8, ids, traits, 0..5u8).prop_map(|(rid, at, msg, ids, mut traits, row)| {
        traits.sort();
        traits.dedup_by(|a, b| a.0 == b.0);
        Observation {
            rid,
            kind: RecordOrigin::Known,
            at: Timestamp::from_micros(at),
            msg: format!("m{msg}"),
            ids,
            traits,
            replace: row == 0,
        }
    })
}

/// A script whose observations keep (at, msg) unique within a record, as the definition asks.
pub(crate) fn any_script(longest: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => any_observation().prop_map(Step::Put),
        2 => any_rid().prop_map(Step::Remove),
        1 => any_rules().prop_map(Step::Rules),
    ];
    vec(step, 1..longest).prop_map(|mut steps| {
        let mut seen: Vec<Observation> = Vec::new();
        for step in &mut steps {
            if let Step::Put(o) = step {
                let same = |s: &&Observation| s.rid == o.rid && s.at == o.at && s.msg == o.msg;
                match seen.iter().find(same) {
                    // The same message again: a repeated delivery.
                    Some(first) => *o = first.clone(),
                    None => seen.push(o.clone()),
                }
            }
        }
        steps
    })
}
