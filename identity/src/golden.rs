//! The golden record: a pure function of the member records (`identity.md` §9).

mod cast;
mod union;

use std::{borrow::Cow, cmp::Ordering, collections::BTreeMap};

use hashbrown::HashMap;
use model::ColumnType;
use semantic::{MergeRule, Otherwise, ProfileRules, TraitRule};

use crate::fold::Folded;

/// The declared traits by name.
#[derive(Debug)]
pub(crate) struct GoldenRules(HashMap<String, TraitRule>);

/// A member's value of a trait, cast to its type.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate<'a> {
    rid: &'a str,
    at: i64,
    json: Cow<'a, str>,
}

/// A golden value: JSON text, and the record and time that supplied it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Golden<'a> {
    pub(crate) json: String,
    pub(crate) rid: &'a str,
    pub(crate) at: i64,
}

impl GoldenRules {
    pub(crate) fn new(profile: &ProfileRules) -> Self {
        Self(profile.traits.iter().map(|rule| (rule.name.clone(), rule.clone())).collect())
    }

    /// Whether a stated value can be cast to its trait's type.
    pub(crate) fn fits(&self, name: &str, json: &str) -> bool {
        self.0.get(name).is_none_or(|rule| cast::cast(json, rule.column_type).is_some())
    }

    /// The golden values of a set of records; of the named traits only, if names are given.
    pub(crate) fn of<'a>(
        &self,
        members: &'a [(&'a str, Folded<'a>)],
        only: Option<&[&str]>,
    ) -> BTreeMap<&'a str, Golden<'a>> {
        let mut names: Vec<&'a str> =
            members.iter().flat_map(|(_, folded)| folded.traits.iter().map(|t| t.name)).collect();
        names.sort_unstable();
        names.dedup();
        if let Some(only) = only {
            names.retain(|name| only.contains(name));
        }
        let golden = |name: &'a str| Some((name, self.one(name, members)?));
        names.into_iter().filter_map(golden).collect()
    }

    fn one<'a>(&self, name: &str, members: &'a [(&'a str, Folded<'a>)]) -> Option<Golden<'a>> {
        let rule = self.0.get(name);
        let column_type = rule.map_or(ColumnType::Json, |rule| rule.column_type);
        let mut candidates: Vec<Candidate<'a>> = Vec::with_capacity(members.len());
        for (rid, folded) in members {
            // A value that was stored under another type and does not fit any more is no candidate.
            let stated = folded.trait_json(name);
            if let Some((json, at)) = stated.and_then(|(json, at)| Some((cast::cast(json, column_type)?, at)))
            {
                candidates.push(Candidate { rid, at, json });
            }
        }
        if let Some(rule) = rule {
            prefer_sources(rule, &mut candidates);
        }
        merge(rule.map_or(MergeRule::Latest, |rule| rule.merge), column_type, candidates)
    }
}

/// Keeps the candidates of the first listed source that has one.
fn prefer_sources(rule: &TraitRule, candidates: &mut Vec<Candidate<'_>>) {
    if rule.sources.is_empty() {
        return;
    }
    let of = |candidate: &Candidate<'_>, source: &str| source_of(candidate.rid) == source;
    match rule.sources.iter().find(|source| candidates.iter().any(|c| of(c, source))) {
        Some(source) => candidates.retain(|c| of(c, source)),
        None if rule.otherwise == Otherwise::None => candidates.clear(),
        None => {}
    }
}

/// The part of a record id before its first colon.
pub(crate) fn source_of(rid: &str) -> &str {
    rid.split_once(':').map_or(rid, |(source, _)| source)
}

/// Later first; of equal times the smaller record first.
fn by_recency(a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
    b.at.cmp(&a.at).then_with(|| a.rid.cmp(b.rid))
}

fn merge<'a>(
    rule: MergeRule,
    column_type: ColumnType,
    mut candidates: Vec<Candidate<'a>>,
) -> Option<Golden<'a>> {
    candidates.sort_unstable_by(by_recency);
    let latest = candidates.first()?;
    let lineage = (latest.rid, latest.at);
    let of_all = |json: String| Some(Golden { json, rid: lineage.0, at: lineage.1 });
    let extreme = |wanted: Ordering| {
        // Sorted by recency, and only a strictly better value replaces: the latest holder wins.
        candidates.iter().reduce(|best, next| {
            let better = cast::compare(&next.json, &best.json, column_type) == wanted;
            if better { next } else { best }
        })
    };
    let winner = match rule {
        MergeRule::Latest => latest,
        MergeRule::First => candidates.iter().min_by_key(|c| (c.at, c.rid))?,
        MergeRule::Min => extreme(Ordering::Less)?,
        MergeRule::Max => extreme(Ordering::Greater)?,
        MergeRule::MostFrequent => most_frequent(&candidates)?,
        MergeRule::Union => return of_all(union::union(candidates.iter().map(|c| &*c.json))),
        MergeRule::Any => return of_all(candidates.iter().any(|c| c.json == "true").to_string()),
        MergeRule::All => return of_all(candidates.iter().all(|c| c.json == "true").to_string()),
    };
    Some(Golden { json: winner.json.to_string(), rid: winner.rid, at: winner.at })
}

/// `candidates` is sorted by recency, so the first holder of a value is its latest.
fn most_frequent<'a, 'b>(candidates: &'b [Candidate<'a>]) -> Option<&'b Candidate<'a>> {
    let mut holders: HashMap<&str, (usize, usize)> = HashMap::new();
    for (place, candidate) in candidates.iter().enumerate() {
        holders.entry(&candidate.json).or_insert((0, place)).0 += 1;
    }
    let best = holders.into_values().max_by_key(|(count, place)| (*count, usize::MAX - place))?;
    candidates.get(best.1)
}

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use super::*;
    use crate::{Observation, RecordOrigin, rules::Rules};

    fn check(
        merge: MergeRule,
        column_type: ColumnType,
        stated: &[(&str, i64, &str)],
        expect: Option<(&str, &str)>,
    ) {
        let rule = TraitRule {
            name: "t".to_owned(),
            column_type,
            merge,
            sources: Vec::new(),
            otherwise: Otherwise::Others,
        };
        let rules = Rules::new(&crate::testing::no_identifiers(), &ProfileRules { traits: vec![rule] });
        let observations: Vec<Observation> = stated
            .iter()
            .map(|(rid, at, json)| Observation {
                rid: (*rid).into(),
                kind: RecordOrigin::Row,
                at: Timestamp::from_micros(*at),
                msg: String::new(),
                ids: Vec::new(),
                traits: vec![("t".to_owned(), (*json).to_owned())],
                replace: false,
            })
            .collect();
        let members: Vec<(&str, Folded<'_>)> = observations
            .iter()
            .map(|o| {
                let mut folded = Folded::new(o);
                folded.add(o, &rules);
                (o.rid.as_str(), folded)
            })
            .collect();
        let golden = rules.golden.of(&members, None);
        let found = golden.get("t").map(|g| (g.json.as_str(), g.rid));
        assert_eq!(found, expect, "{merge:?} {stated:?}");
    }

    #[test]
    fn latest_and_first_break_ties_by_the_smaller_record() {
        let stated = [
            ("b:1", 5, "\"b\""),
            ("a:1", 5, "\"a\""),
            ("c:1", 5, "null"),
            ("d:1", 1, "\"d\""),
            ("e:1", 1, "\"e\""),
        ];
        check(MergeRule::Latest, ColumnType::String, &stated, Some(("\"a\"", "a:1")));
        check(MergeRule::First, ColumnType::String, &stated, Some(("\"d\"", "d:1")));
        check(MergeRule::Latest, ColumnType::String, &[("a:1", 1, "\" \"")], None);
    }

    #[test]
    fn min_and_max_go_by_the_order_of_the_type() {
        let stated = [("a:1", 1, "9"), ("b:1", 2, "10"), ("c:1", 3, "\"9\"")];
        check(MergeRule::Min, ColumnType::Int64, &stated, Some(("9", "c:1")));
        check(MergeRule::Max, ColumnType::Int64, &stated, Some(("10", "b:1")));
    }

    #[test]
    fn the_most_frequent_value_wins_then_the_latest_holder() {
        let stated = [("a:1", 1, "1"), ("b:1", 2, "1"), ("c:1", 3, "2")];
        check(MergeRule::MostFrequent, ColumnType::Int64, &stated, Some(("1", "b:1")));
        check(MergeRule::MostFrequent, ColumnType::Int64, &stated[1..], Some(("2", "c:1")));
    }

    #[test]
    fn booleans_meet_by_any_and_all() {
        let stated = [("a:1", 1, "true"), ("b:1", 2, "0")];
        check(MergeRule::Any, ColumnType::Boolean, &stated, Some(("true", "b:1")));
        check(MergeRule::All, ColumnType::Boolean, &stated, Some(("false", "b:1")));
    }

    #[test]
    fn a_union_holds_each_element_once_in_a_fixed_order() {
        let stated = [
            ("a:1", 1, r#"["b",10,true,null,""]"#),
            ("b:1", 2, r#"[9,"a",{"x":1},10.0]"#),
            ("c:1", 3, "\"a\""),
        ];
        check(MergeRule::Union, ColumnType::Array, &stated, Some((r#"[true,9,10,"a","b",{"x":1}]"#, "c:1")));
        check(MergeRule::Union, ColumnType::Array, &[("a:1", 1, "[]")], Some(("[]", "a:1")));
    }
}
