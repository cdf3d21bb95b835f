//! Events per second and bytes per profile: `cargo run --release -p audiences --example throughput`.
//!
//! 20 mixed audiences over 1 million profiles; calls hit profiles by Zipf's law. One thread, from the
//! parsed call to the published change; no log and no store.

use std::time::{Duration, Instant};

use audiences::{At, Engine, Input};
use model::{Event, EventType, Offset, ProfileId, RecordId, Timestamp, json::Json};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use semantic::{
    Audience, CallKind, CallSelector, Comparison, EventNames, Expr, Filter, FilterTarget, Leaf, Literal,
    Operator, Window,
};

const PROFILES: usize = 1_000_000;
const EVENTS: usize = 3_000_000;
const NAMES: [&str; 6] =
    ["Product Viewed", "Product Added", "Order Completed", "Logged In", "Email Opened", "Searched"];
const HOUR: u64 = 3_600;

fn number(operator: Operator, number: u64) -> Comparison {
    Comparison { operator, operands: vec![Literal::Number(number.to_string())] }
}

fn did(name: &str, filter: Option<Filter>, window: Window, count: Comparison) -> Expr {
    let names = EventNames::OneOf(vec![name.to_owned()]);
    let selector = CallSelector { kind: CallKind::Track, names, filter };
    Expr::Leaf(Leaf::Count { selector, window, count: vec![count] })
}

fn audiences() -> Vec<Audience> {
    let within = |hours| Window::Within(Duration::from_secs(hours * HOUR));
    let dear = Filter::Compare {
        target: FilterTarget::Property("price".into()),
        comparisons: vec![number(Operator::Gte, 50)],
    };
    let on_pro = Expr::Leaf(Leaf::Trait {
        path: "plan".into(),
        comparisons: vec![Comparison { operator: Operator::Eq, operands: vec![Literal::Text("pro".into())] }],
    });
    let mut conditions = Vec::new();
    for (i, name) in NAMES.into_iter().enumerate() {
        let i = i as u64;
        conditions.push(did(name, None, within(24 * (i + 1)), number(Operator::Gte, 1)));
        conditions.push(did(name, None, within(7 * 24), number(Operator::Gte, 2 + i % 3)));
        conditions.push(Expr::All(vec![
            did(name, Some(dear.clone()), Window::Ever, number(Operator::Gte, 1)),
            Expr::Not(Box::new(did("Order Completed", None, within(30 * 24), number(Operator::Gte, 3)))),
        ]));
    }
    conditions.push(did("Logged In", None, within(7 * 24), number(Operator::Eq, 0)));
    conditions
        .push(Expr::Any(vec![on_pro, did("Order Completed", None, within(24), number(Operator::Gte, 2))]));
    conditions
        .into_iter()
        .enumerate()
        .map(|(i, condition)| Audience {
            name: format!("a{i:02}").as_str().into(),
            label: None,
            description: None,
            condition,
            hash: i as u64,
        })
        .collect()
}

/// Resident memory of this process, from the kernel.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * 4_096
}

struct Load {
    engine: Engine,
    random: StdRng,
    records: Vec<RecordId>,
    offset: u64,
    changes: usize,
    /// Whether state is encoded for the store as well.
    store: bool,
}

impl Load {
    fn call(&mut self, who: usize, event_body: &(String, Json<'_>)) {
        self.offset += 1;
        // A call a millisecond, some of them a little late.
        let clock = Timestamp::from_millis(1_772_442_000_000 + self.offset as i64);
        let at = At { clock, offset: Offset(self.offset) };
        let event = Event {
            source: "web",
            message_id: "m-1",
            event_type: EventType::Track,
            name: Some(NAMES[self.random.random_range(0..NAMES.len())]),
            user_id: None,
            anonymous_id: None,
            timestamp: clock.minus(Duration::from_millis(self.random.random_range(0..1_000))),
            original_timestamp: None,
            sent_at: None,
            received_at: clock,
            request_ip: None,
            body: &event_body.0,
        };
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(who as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        let input = Input {
            at,
            profile: ProfileId(id),
            record: &self.records[who],
            event: &event,
            body: &event_body.1,
        };
        self.engine.advance(clock, at.offset);
        self.engine.event(input);
        self.changes += self.engine.take_changes().len();
        // The pipeline stores what changed once a commit.
        if self.offset.is_multiple_of(1_000) && self.store {
            self.engine.take_dirty();
        }
    }

    /// A profile by Zipf's law with exponent 1: the inverse of its distribution, approximately.
    fn zipf(&mut self) -> usize {
        let u: f64 = self.random.random();
        ((PROFILES as f64).powf(u) as usize).min(PROFILES - 1)
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the machine's clock")]
fn main() {
    let bodies: Vec<String> = (0..100)
        .map(|price| format!(r#"{{"type":"track","properties":{{"product_id":"p{price}","price":{price}.5,"currency":"EUR"}},"context":{{"library":{{"name":"js"}}}}}}"#))
        .collect();
    let parsed: Vec<_> = bodies
        .iter()
        .map(|b| (b.clone(), Json::parse(b.as_bytes()).map_or(Json::Null, |p| p.value)))
        .collect();
    let records = (0..PROFILES).map(|i| RecordId::new(format!("web:user:u{i}"))).collect();
    // `-- store` encodes what changed as the pipeline's commits do.
    let store = std::env::args().any(|argument| argument == "store");
    let before = resident();
    let mut load = Load {
        engine: Engine::new(&audiences()),
        random: StdRng::seed_from_u64(7),
        records,
        offset: 0,
        changes: 0,
        store,
    };

    let started = Instant::now();
    for who in 0..PROFILES {
        load.call(who, &parsed[who % 100]);
    }
    let first = started.elapsed();
    let started = Instant::now();
    for i in 0..EVENTS {
        let who = load.zipf();
        load.call(who, &parsed[i % 100]);
    }
    let then = started.elapsed();
    println!("first call of {PROFILES} profiles: {:.0} events/s", PROFILES as f64 / first.as_secs_f64());
    println!("{EVENTS} calls by Zipf: {:.0} events/s", EVENTS as f64 / then.as_secs_f64());
    println!("{} changes", load.changes);
    println!("{} bytes a profile by capacity", load.engine.bytes() / PROFILES);
    println!("{} bytes a profile resident", (resident() - before) / PROFILES);
}
