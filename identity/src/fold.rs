use model::json::Json;

use crate::{Observation, RecordOrigin, rules::Rules};

/// Longer raw values are no identifiers: they count as a mention without a value.
const LONGEST_RAW: usize = 2048;

/// When something was stated. Observations of one record are ordered by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp<'a> {
    pub(crate) at: i64,
    pub(crate) msg: &'a str,
}

/// The fold of all observations of one record, borrowed from its stored bytes and from the
/// observation that is being added.
///
/// It is a join of stamps, so it does not depend on the order of arrival (IDR-0). Raw values are
/// kept: normalisers may change, the record stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folded<'a> {
    pub(crate) kind: RecordOrigin,
    pub(crate) first_seen: i64,
    pub(crate) last_seen: i64,
    /// Stamp of the newest row: everything not later than it was cancelled.
    pub(crate) row: Option<Stamp<'a>>,
    /// Sorted by (name, raw).
    pub(crate) links: Vec<RawLink<'a>>,
    /// Sorted by name.
    pub(crate) traits: Vec<RawTrait<'a>>,
}

/// A value as stated. A blank one is a mention of the type without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawLink<'a> {
    pub(crate) name: &'a str,
    pub(crate) raw: &'a str,
    pub(crate) first: i64,
    pub(crate) last: Stamp<'a>,
}

/// A trait as stated; `None` is an explicit clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawTrait<'a> {
    pub(crate) name: &'a str,
    pub(crate) json: Option<&'a str>,
    pub(crate) stamp: Stamp<'a>,
}

/// What an observation changed in its record.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FoldChange<'a> {
    /// The stored bytes differ.
    pub(crate) any: bool,
    pub(crate) first_seen: bool,
    /// A link's last sighting moved.
    pub(crate) last_seen_of_links: bool,
    /// The links of the record may differ.
    pub(crate) links: bool,
    /// Names of traits whose value or stamp differs.
    pub(crate) traits: Vec<&'a str>,
    /// Values that do not fit their trait's type.
    pub(crate) ignored: u32,
}

impl<'a> Folded<'a> {
    /// A record without observations.
    pub(crate) fn new(observation: &Observation) -> Self {
        Self {
            kind: observation.kind,
            first_seen: i64::MAX,
            last_seen: i64::MIN,
            row: None,
            links: Vec::new(),
            traits: Vec::new(),
        }
    }

    /// Adds one observation (`identity.md` §3, rules 6 to 8).
    pub(crate) fn add(&mut self, observation: &'a Observation, rules: &Rules) -> FoldChange<'a> {
        let mut change = FoldChange::default();
        let stamp = Stamp { at: observation.at.as_micros(), msg: &observation.msg };
        self.see(observation, &mut change);
        if observation.replace {
            if self.row.is_some_and(|row| stamp < row) {
                return change;
            }
            if self.row != Some(stamp) {
                self.restate(stamp, &mut change);
            }
        } else if self.row.is_some_and(|row| stamp <= row) {
            return change;
        }
        for (name, raw) in &observation.ids {
            self.add_link(name, raw, stamp, rules, &mut change);
        }
        for (name, json) in &observation.traits {
            self.add_trait(name, json, stamp, rules, &mut change);
        }
        change
    }

    fn see(&mut self, observation: &Observation, change: &mut FoldChange<'a>) {
        let at = observation.at.as_micros();
        change.first_seen = at < self.first_seen;
        change.any = change.first_seen || at > self.last_seen || observation.kind > self.kind;
        self.first_seen = self.first_seen.min(at);
        self.last_seen = self.last_seen.max(at);
        self.kind = self.kind.max(observation.kind);
    }

    /// A row states the whole record: it cancels what is not later than it.
    fn restate(&mut self, row: Stamp<'a>, change: &mut FoldChange<'a>) {
        self.row = Some(row);
        self.links.retain(|link| link.last > row);
        for link in &mut self.links {
            link.first = row.at;
        }
        change.traits.extend(self.traits.iter().filter(|t| t.stamp <= row).map(|t| t.name));
        self.traits.retain(|t| t.stamp > row);
        change.any = true;
        change.links = true;
        change.last_seen_of_links = true;
    }

    fn add_link(
        &mut self,
        name: &'a str,
        raw: &'a str,
        stamp: Stamp<'a>,
        rules: &Rules,
        change: &mut FoldChange<'a>,
    ) {
        let raw = if raw.len() > LONGEST_RAW { "" } else { raw.trim() };
        // Links of a record with a row count from that row on, whatever was cancelled before it.
        let first = self.row.map_or(stamp.at, |row| row.at);
        match self.links.binary_search_by(|l| (l.name, l.raw).cmp(&(name, raw))) {
            Err(place) => {
                self.links.insert(place, RawLink { name, raw, first, last: stamp });
                change.any = true;
                change.links = true;
                // Another spelling of a known value is a later sight of it.
                change.last_seen_of_links = true;
            }
            Ok(place) => {
                let link = &mut self.links[place];
                if first < link.first {
                    link.first = first;
                    change.any = true;
                }
                if stamp > link.last {
                    link.last = stamp;
                    change.any = true;
                    change.last_seen_of_links = true;
                    change.links |= rules.types.iter().any(|t| t.keep_latest && t.name == name);
                }
            }
        }
    }

    fn add_trait(
        &mut self,
        name: &'a str,
        json: &'a str,
        stamp: Stamp<'a>,
        rules: &Rules,
        change: &mut FoldChange<'a>,
    ) {
        let json = Some(json).filter(|json| !is_blank(json));
        if json.is_some_and(|json| !rules.golden.fits(name, json)) {
            change.ignored += 1;
            return;
        }
        let stated = RawTrait { name, json, stamp };
        match self.traits.binary_search_by(|t| t.name.cmp(name)) {
            Err(place) => self.traits.insert(place, stated),
            Ok(place) => {
                let held = &mut self.traits[place];
                if (held.stamp, held.json) >= (stamp, json) {
                    return;
                }
                *held = stated;
            }
        }
        change.any = true;
        change.traits.push(name);
        if rules.types.iter().any(|t| t.from.iter().any(|from| from == name)) {
            // The time of a composite is that of its newest part.
            change.links = true;
            change.last_seen_of_links = true;
        }
    }

    pub(crate) fn trait_json(&self, name: &str) -> Option<(&'a str, i64)> {
        let place = self.traits.binary_search_by(|t| t.name.cmp(name)).ok()?;
        let held = &self.traits[place];
        held.json.map(|json| (json, held.stamp.at))
    }
}

/// Null and blank text clear a trait.
fn is_blank(json: &str) -> bool {
    let json = json.trim();
    if json == "null" || json.is_empty() {
        return true;
    }
    let Some(inner) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    if inner.contains('\\') {
        return Json::parse(json.as_bytes())
            .is_ok_and(|parsed| parsed.value.as_str().is_some_and(|text| text.trim().is_empty()));
    }
    inner.trim().is_empty()
}
