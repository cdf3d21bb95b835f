//! Observations per second on clean data, memory per record and start-up time:
//! `cargo run --release -p identity --example identity_throughput [persons]`.

use std::{collections::HashMap, time::Duration};

use identity::{Identity, Observation, RecordOrigin, TenantKey};
use model::{Clock, Offset, RecordId, SystemClock, Timestamp};
use semantic::{IdentifierType, IdentityRules, Keep, LinkOrder, Normalizer, OnConflict, ProfileRules};

const KEY: TenantKey = TenantKey([1; 32]);

/// A kind of traffic: its name, and the observation it makes of a person.
type Phase = (&'static str, fn(u64) -> Observation);

/// Observations made at a time: making them is not measured and hardly counts as memory.
const BATCH: u64 = 1_000;

fn main() {
    let persons: u64 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let records = 2 * persons as usize;
    let clock = SystemClock::new();
    let mut identity = Identity::new(rules(), ProfileRules::default(), KEY);
    let phases: [Phase; 4] = [
        ("anonymous visit: a new record", visit),
        ("login: a new record joins it", login),
        ("track event of a known record", track),
        ("identify that changes one trait", rename),
    ];
    println!("memory: {} bytes per record", memory(persons, &phases) / records as u64);
    let mut stored: HashMap<RecordId, Vec<u8>> = HashMap::new();
    for (name, make) in phases {
        let mut took = Duration::ZERO;
        for first in (0..persons).step_by(BATCH as usize) {
            let batch: Vec<Observation> = (first..(first + BATCH).min(persons)).map(make).collect();
            let start = busy(&clock);
            for observation in batch {
                identity.observe(observation, Offset(first));
            }
            took += busy(&clock) - start;
            // What a commit would write.
            let dirty = identity.take_dirty().into_iter();
            stored.extend(dirty.filter_map(|(rid, bytes)| Some((rid, bytes?))));
        }
        report(name, persons as usize, took);
    }
    let bytes: usize = stored.iter().map(|(rid, bytes)| rid.as_str().len() + bytes.len()).sum();
    println!("stored form: {} bytes per record with its id", bytes / records);
    let profiles = identity.len();
    drop(identity);
    let input: Vec<(RecordId, Vec<u8>)> = stored.into_iter().collect();
    restore(&clock, input, profiles);
}

/// Resident bytes of a state that has seen every phase.
fn memory(persons: u64, phases: &[Phase]) -> u64 {
    let empty = resident_bytes();
    let mut identity = Identity::new(rules(), ProfileRules::default(), KEY);
    for (_, make) in phases {
        for n in 0..persons {
            identity.observe(make(n), Offset(n));
            if n % BATCH == 0 {
                identity.take_dirty();
            }
        }
    }
    resident_bytes().saturating_sub(empty)
}

fn restore(clock: &SystemClock, input: Vec<(RecordId, Vec<u8>)>, profiles: usize) {
    let records = input.len();
    let start = busy(clock);
    let restored = Identity::restore(rules(), ProfileRules::default(), KEY, input.into_iter());
    report("restore", records, busy(clock) - start);
    let found = restored.map_or(0, |identity| identity.len());
    println!("{found} of {profiles} profiles restored");
}

/// Time that this thread was running, or wall-clock time where /proc is not there.
fn busy(clock: &SystemClock) -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    nanos.map_or_else(|| clock.monotonic(), Duration::from_nanos)
}

fn report(name: &str, count: usize, took: Duration) {
    println!("{name}: {:.0} per second ({count} in {took:?})", count as f64 / took.as_secs_f64());
}

fn rules() -> IdentityRules {
    let identifier = |name: &str, limit: u32, normalize: Vec<Normalizer>| IdentifierType {
        name: name.to_owned(),
        limit: limit.try_into().ok(),
        max_fanout: if limit == 0 { 50.try_into().ok() } else { None },
        normalize,
        from: Vec::new(),
        keep: Keep::All,
        order: LinkOrder::OldestFirst,
        on_conflict: OnConflict::Reject,
    };
    IdentityRules {
        identifiers: vec![
            identifier("user_id", 1, Vec::new()),
            identifier("email", 5, vec![Normalizer::Email]),
            identifier("anonymous_id", 0, Vec::new()),
        ],
        block: Vec::new(),
        must: Vec::new(),
        never: Vec::new(),
        default_blocks: true,
        max_backdate: Duration::from_secs(30 * 86_400),
    }
}

fn observation(rid: String, kind: RecordOrigin, n: u64, at: i64) -> Observation {
    Observation {
        rid: RecordId::new(rid),
        kind,
        at: Timestamp::from_millis(1_700_000_000_000 + at + n as i64),
        msg: format!("ajs-next-{at}-{n:032x}"),
        ids: vec![("anonymous_id".to_owned(), anonymous(n))],
        traits: Vec::new(),
        replace: false,
    }
}

fn anonymous(n: u64) -> String {
    format!("a{:035x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn visit(n: u64) -> Observation {
    observation(format!("web:anon:{}", anonymous(n)), RecordOrigin::Anonymous, n, 0)
}

fn track(n: u64) -> Observation {
    let mut observation = observation(format!("web:user:u{n}"), RecordOrigin::Known, n, 20_000_000);
    observation.ids.push(("user_id".to_owned(), format!("u{n}")));
    observation
}

fn login(n: u64) -> Observation {
    let mut observation = observation(format!("web:user:u{n}"), RecordOrigin::Known, n, 10_000_000);
    observation.ids.push(("user_id".to_owned(), format!("u{n}")));
    observation.ids.push(("email".to_owned(), format!("person.{n}@shop.example")));
    observation.traits = vec![
        ("email".to_owned(), format!("\"person.{n}@shop.example\"")),
        ("name".to_owned(), format!("\"Person {n}\"")),
        ("plan".to_owned(), "\"free\"".to_owned()),
    ];
    observation
}

fn rename(n: u64) -> Observation {
    let mut observation = track(n);
    observation.at = observation.at.plus(Duration::from_secs(60));
    observation.traits = vec![("plan".to_owned(), "\"gold\"".to_owned())];
    observation
}

/// Resident memory of this process; 0 where /proc is not there.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}
