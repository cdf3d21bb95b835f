use std::borrow::Cow;

use hashbrown::{HashMap, HashSet};
use model::RecordId;
use regex::Regex;
use semantic::{
    Block, BlockTarget, IdentifierType, IdentityRules, Keep, LinkOrder, OnConflict, ProfileRules,
};

use crate::{
    default_blocks::is_blocked_by_default,
    golden::GoldenRules,
    normalize::{Step, normalize},
};

/// The declared rules, compiled: patterns, block lists by value, directives by record.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Identifier types in priority order.
    pub(crate) types: Vec<TypeRule>,
    /// Limit of each limited type; the position is the type's slot.
    pub(crate) limits: Vec<u32>,
    /// Pairs that belong together: each (smaller, larger), sorted.
    pub(crate) must: Pairs,
    /// Pairs that never do, in the same form.
    pub(crate) never: Pairs,
    pub(crate) golden: GoldenRules,
    blocked_records: HashSet<RecordId>,
    default_blocks: bool,
}

/// One identifier type, compiled.
#[derive(Debug)]
pub(crate) struct TypeRule {
    pub(crate) name: String,
    /// Position in [`Rules::limits`] and the limit.
    pub(crate) limit: Option<(usize, u32)>,
    /// Most carriers of an active value.
    pub(crate) max_fanout: usize,
    /// Traits of a composite.
    pub(crate) from: Vec<String>,
    pub(crate) keep_latest: bool,
    pub(crate) newest_first: bool,
    pub(crate) isolate: bool,
    steps: Vec<Step>,
    blocked: HashSet<String>,
    patterns: Vec<Regex>,
}

impl TypeRule {
    pub(crate) fn normalize<'a>(&self, raw: &'a str) -> Option<Cow<'a, str>> {
        normalize(raw, &self.steps)
    }
}

/// Directives on pairs of records.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    pub(crate) list: Vec<(RecordId, RecordId)>,
    partners: HashMap<RecordId, Vec<RecordId>>,
}

impl Pairs {
    fn new(pairs: &[(RecordId, RecordId)]) -> Self {
        let ordered = |(a, b): &(RecordId, RecordId)| {
            if a <= b { (a.clone(), b.clone()) } else { (b.clone(), a.clone()) }
        };
        let mut list: Vec<_> = pairs.iter().map(ordered).filter(|(a, b)| a != b).collect();
        list.sort_unstable();
        list.dedup();
        let mut partners: HashMap<RecordId, Vec<RecordId>> = HashMap::new();
        for (a, b) in &list {
            partners.entry(a.clone()).or_default().push(b.clone());
            partners.entry(b.clone()).or_default().push(a.clone());
        }
        Self { list, partners }
    }

    /// The records this one is paired with.
    pub(crate) fn of(&self, rid: &RecordId) -> &[RecordId] {
        if self.partners.is_empty() { &[] } else { self.partners.get(rid).map_or(&[], Vec::as_slice) }
    }
}

impl Rules {
    pub(crate) fn new(rules: &IdentityRules, profile: &ProfileRules) -> Self {
        let mut limits = Vec::new();
        let types = rules.identifiers.iter().map(|t| compile_type(t, &rules.block, &mut limits)).collect();
        let record = |block: &Block| match &block.target {
            BlockTarget::Record(rid) => Some(rid.clone()),
            BlockTarget::Value(_) | BlockTarget::Pattern(_) => None,
        };
        Self {
            types,
            limits,
            must: Pairs::new(&rules.must),
            never: Pairs::new(&rules.never),
            golden: GoldenRules::new(profile),
            blocked_records: rules.block.iter().filter_map(record).collect(),
            default_blocks: rules.default_blocks,
        }
    }

    pub(crate) fn type_of(&self, name: &str) -> Option<u16> {
        self.types.iter().position(|t| t.name == name).map(|t| t as u16)
    }

    pub(crate) fn is_record_blocked(&self, rid: &RecordId) -> bool {
        !self.blocked_records.is_empty() && self.blocked_records.contains(rid)
    }

    /// Whether a normalised value of a type links nothing.
    pub(crate) fn is_blocked(&self, rule: &TypeRule, value: &str) -> bool {
        (self.default_blocks && is_blocked_by_default(value))
            || rule.blocked.contains(value)
            || rule.patterns.iter().any(|p| p.is_match(value))
    }
}

fn compile_type(declared: &IdentifierType, blocks: &[Block], limits: &mut Vec<u32>) -> TypeRule {
    let steps: Vec<Step> = declared.normalize.iter().filter_map(Step::new).collect();
    let mut blocked = HashSet::new();
    let mut patterns = Vec::new();
    for block in blocks.iter().filter(|b| b.identifier.as_ref().is_none_or(|name| *name == declared.name)) {
        match &block.target {
            BlockTarget::Value(raw) => blocked.extend(normalize(raw, &steps).map(Cow::into_owned)),
            // Loading the definitions refuses patterns that do not compile.
            BlockTarget::Pattern(pattern) => patterns.extend(Regex::new(&format!(r"\A(?:{pattern})\z")).ok()),
            BlockTarget::Record(_) => {}
        }
    }
    let limit = declared.limit.map(|limit| {
        limits.push(limit.get());
        (limits.len() - 1, limit.get())
    });
    TypeRule {
        name: declared.name.clone(),
        limit,
        max_fanout: declared.max_fanout.map_or(usize::MAX, |m| m.get() as usize),
        from: declared.from.clone(),
        keep_latest: declared.keep == Keep::Latest,
        newest_first: declared.order == LinkOrder::NewestFirst,
        isolate: declared.on_conflict == OnConflict::Isolate,
        steps,
        blocked,
        patterns,
    }
}
