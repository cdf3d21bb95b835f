use std::collections::{BTreeMap, HashMap};

use model::RecordId;
use semantic::{IdentityRules, ProfileRules};

use crate::{
    Error, Observation, Reason, Refused, RefusedEdge, Resolution, ResolvedProfile,
    fold::Folded,
    links::links_of,
    rules::Rules,
    scan::{Edge, Refusal, Solution, Task, TaskLink, Why, scan},
    stored,
};

/// The function F over a whole set of stored records: one scan over everything, no components, no
/// shortcuts. What [`crate::Identity`] keeps true step by step is defined by it.
pub fn resolve<'a>(
    rules: &IdentityRules,
    records: impl IntoIterator<Item = (&'a RecordId, &'a [u8])>,
) -> Result<Resolution, Error> {
    let rules = Rules::new(rules, &ProfileRules::default());
    let mut set = RecordSet::default();
    for (rid, bytes) in records {
        let folded = stored::decode(bytes).map_err(|source| Error::stored(rid.clone(), source))?;
        let links = links_of(&rules, rid, &folded).into_iter().filter(|link| !link.blocked);
        let links = links.map(|link| (link.kind, link.value.into_owned(), link.last)).collect();
        set.records.push((folded.first_seen, rid.clone(), links));
    }
    set.records.sort_unstable();
    Ok(set.resolve(&rules))
}

/// Adds an observation to the stored form of its record, which may be new: the fold of `identity.md`
/// §3, the same in any order of observations.
pub fn fold_record(
    rules: &IdentityRules,
    profile: &ProfileRules,
    stored: Option<&[u8]>,
    observation: &Observation,
) -> Result<Vec<u8>, Error> {
    let mut folded = match stored {
        Some(bytes) => {
            stored::decode(bytes).map_err(|source| Error::stored(observation.rid.clone(), source))?
        }
        None => Folded::new(observation),
    };
    folded.add(observation, &Rules::new(rules, profile));
    Ok(stored::encode(&folded))
}

/// Records by (first_seen, rid), each with its links of F1.
#[derive(Debug, Default)]
struct RecordSet {
    records: Vec<(i64, RecordId, Vec<OwnedLink>)>,
}

/// Type, value and last sighting.
type OwnedLink = (u16, String, i64);

impl RecordSet {
    fn resolve(&self, rules: &Rules) -> Resolution {
        let mut carriers: BTreeMap<(u16, &str), Vec<(u32, i64)>> = BTreeMap::new();
        for (record, (_, _, links)) in self.records.iter().enumerate() {
            for (kind, value, last_seen) in links {
                carriers.entry((*kind, value)).or_default().push((record as u32, *last_seen));
            }
        }
        let is_active = |kind: u16, count: usize| count <= rules.types[usize::from(kind)].max_fanout;
        let name = |kind: u16| rules.types[usize::from(kind)].name.clone();
        let suspended = carriers.iter().filter(|((kind, _), by)| !is_active(*kind, by.len()));
        let suspended =
            suspended.map(|((kind, value), by)| (name(*kind), (*value).to_owned(), by.len())).collect();
        carriers.retain(|(kind, _), by| is_active(*kind, by.len()));
        let values: Vec<(u16, &str)> = carriers.keys().copied().collect();
        let task = self.task(rules, &values, carriers.values());
        let solution = scan(&task, &rules.types);
        let names = Names { set: self, rules, values: &values };
        let refused = solution.refused.iter().map(|refusal| names.refused(refusal)).collect();
        Resolution { profiles: names.profiles(&solution), refused, suspended }
    }

    fn task<'a>(
        &self,
        rules: &Rules,
        values: &[(u16, &str)],
        carriers: impl Iterator<Item = &'a Vec<(u32, i64)>>,
    ) -> Task {
        let numbers: HashMap<&RecordId, u32> =
            self.records.iter().enumerate().map(|(number, (_, rid, _))| (rid, number as u32)).collect();
        let live = |(a, b): &(RecordId, RecordId)| Some((*numbers.get(a)?, *numbers.get(b)?));
        let link = |value: usize, (record, last_seen): &(u32, i64)| TaskLink {
            record: *record,
            value: value as u32,
            last_seen: *last_seen,
        };
        Task {
            records: self.records.len() as u32,
            values: values.iter().map(|(kind, _)| *kind).collect(),
            links: carriers.enumerate().flat_map(|(v, by)| by.iter().map(move |c| link(v, c))).collect(),
            must: rules.must.list.iter().filter_map(live).collect(),
            never: rules.never.list.iter().filter_map(live).collect(),
        }
    }
}

/// Turns numbers back into names.
struct Names<'a> {
    set: &'a RecordSet,
    rules: &'a Rules,
    values: &'a [(u16, &'a str)],
}

impl Names<'_> {
    fn rid(&self, record: u32) -> RecordId {
        self.set.records[record as usize].1.clone()
    }

    fn identifier(&self, kind: u16) -> String {
        self.rules.types[usize::from(kind)].name.clone()
    }

    fn texts(&self, values: &[u32]) -> Vec<String> {
        values.iter().map(|value| self.values[*value as usize].1.to_owned()).collect()
    }

    fn refused(&self, refusal: &Refusal) -> Refused {
        let edge = match refusal.edge {
            Edge::Must(a, b) => RefusedEdge::Must(self.rid(a), self.rid(b)),
            Edge::Link { record, value } => {
                let (kind, text) = self.values[value as usize];
                RefusedEdge::Link {
                    record: self.rid(record),
                    identifier: self.identifier(kind),
                    value: text.to_owned(),
                }
            }
        };
        let reason = match &refusal.why {
            Why::Never { left, right } => Reason::Never { left: self.rid(*left), right: self.rid(*right) },
            Why::Limit { kind, left, right } => Reason::Limit {
                identifier: self.identifier(*kind),
                left: self.texts(left),
                right: self.texts(right),
            },
            Why::IsolatedByNever { left, right } => {
                Reason::IsolatedByNever { left: self.rid(*left), right: self.rid(*right) }
            }
            Why::IsolatedByLimit { kind, values } => {
                Reason::IsolatedByLimit { identifier: self.identifier(*kind), values: self.texts(values) }
            }
        };
        Refused { edge, reason }
    }

    fn profiles(&self, solution: &Solution) -> Vec<ResolvedProfile> {
        let mut places: HashMap<u32, usize> = HashMap::new();
        let mut profiles: Vec<ResolvedProfile> = Vec::new();
        // Records are numbered by (first_seen, rid): the first of a cluster is its anchor.
        for (record, cluster) in solution.records.iter().enumerate() {
            let rid = self.rid(record as u32);
            let place = *places.entry(*cluster).or_insert_with(|| {
                let (records, identifiers) = (Vec::new(), BTreeMap::new());
                profiles.push(ResolvedProfile { anchor: rid.clone(), records, identifiers });
                profiles.len() - 1
            });
            profiles[place].records.push(rid);
        }
        for ((kind, text), cluster) in self.values.iter().zip(&solution.values) {
            if let Some(place) = places.get(cluster) {
                let values = profiles[*place].identifiers.entry(self.identifier(*kind)).or_default();
                values.push((*text).to_owned());
            }
        }
        for profile in &mut profiles {
            profile.records.sort_unstable();
        }
        profiles
    }
}
