//! A seeded stream of a small shop's events: visitors who view, add, order, sign up and come back.

use std::{collections::VecDeque, fmt::Write as _};

use model::{Timestamp, json};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

const CATALOGUE: [(&str, &str, u32); 12] = [
    ("p-100", "shoes", 8990),
    ("p-101", "shoes", 12900),
    ("p-102", "shoes", 5995),
    ("p-200", "jackets", 19900),
    ("p-201", "jackets", 24950),
    ("p-300", "shirts", 2995),
    ("p-301", "shirts", 3995),
    ("p-302", "shirts", 1995),
    ("p-400", "bags", 7900),
    ("p-401", "bags", 14900),
    ("p-500", "hats", 1850),
    ("p-501", "hats", 2450),
];
const COUNTRIES: [&str; 6] = ["DE", "FR", "NL", "ES", "US", "GB"];
const PLANS: [&str; 3] = ["free", "pro", "enterprise"];
const FIRST_NAMES: [&str; 8] = ["Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Margaret", "Niklaus"];

/// The same seed and start give the same calls.
#[derive(Debug)]
pub(crate) struct Stream {
    random: StdRng,
    seed: u64,
    visitors: u64,
    number: u64,
    waiting: VecDeque<String>,
}

impl Stream {
    /// A stream over `visitors` people.
    pub(crate) fn new(seed: u64, visitors: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            seed,
            visitors: visitors.max(1),
            number: 0,
            waiting: VecDeque::new(),
        }
    }

    /// The next call as JSON, stamped `at`.
    pub(crate) fn next(&mut self, at: Timestamp) -> String {
        loop {
            if let Some(call) = self.waiting.pop_front() {
                return call;
            }
            self.visit(at);
        }
    }

    /// One visit of one person: a few views, sometimes a cart, sometimes an order. Few people come
    /// often, most come seldom.
    fn visit(&mut self, at: Timestamp) {
        let skew: f64 = self.random.random();
        let person = (skew.powi(3) * self.visitors as f64) as u64;
        let known = person.is_multiple_of(3) || self.random.random_bool(0.2);
        self.call(at, person, false, "page", "Home", "{}");
        for _ in 0..self.random.random_range(1..4) {
            let (id, category, cents) = CATALOGUE[self.random.random_range(0..CATALOGUE.len())];
            let properties =
                format!(r#"{{"product_id":"{id}","category":"{category}","price":{}}}"#, money(cents));
            self.call(at, person, known, "track", "Product Viewed", &properties);
            if self.random.random_bool(0.35) {
                let quantity = self.random.random_range(1..4);
                let properties =
                    format!(r#"{{"product_id":"{id}","quantity":{quantity},"price":{}}}"#, money(cents));
                self.call(at, person, known, "track", "Product Added", &properties);
                if self.random.random_bool(0.5) {
                    self.buy(at, person, cents * quantity);
                }
            }
        }
    }

    /// Ordering signs people up, so that the anonymous visits join the known person.
    fn buy(&mut self, at: Timestamp, person: u64, cents: u32) {
        self.identify(at, person);
        let currency = ["EUR", "USD", "GBP"][(person % 3) as usize];
        let order = self.number;
        let properties = format!(
            r#"{{"order_id":"o-{}-{order}","revenue":{},"currency":"{currency}"}}"#,
            self.seed,
            money(cents)
        );
        self.call(at, person, true, "track", "Order Completed", &properties);
    }

    fn identify(&mut self, at: Timestamp, person: u64) {
        let name = FIRST_NAMES[(person % 8) as usize];
        let traits = format!(
            r#"{{"email":"{}.{person}@shop.example","name":"{name}","country":"{}","plan":"{}"}}"#,
            name.to_ascii_lowercase(),
            COUNTRIES[(person % 6) as usize],
            PLANS[(person / 7 % 3) as usize],
        );
        let call = self.envelope(at, person, true, "identify");
        self.waiting.push_back(format!(r#"{call},"traits":{traits}}}"#));
    }

    fn call(&mut self, at: Timestamp, person: u64, known: bool, kind: &str, name: &str, properties: &str) {
        let mut call = self.envelope(at, person, known, kind);
        let key = if kind == "track" { "event" } else { "name" };
        // Writing to a String cannot fail.
        _ = write!(call, r#","{key}":{},"properties":{properties}}}"#, json::quote(name));
        self.waiting.push_back(call);
    }

    /// The call without its closing brace.
    fn envelope(&mut self, at: Timestamp, person: u64, known: bool, kind: &str) -> String {
        self.number += 1;
        let user = if known { format!(r#","userId":"u{person}""#) } else { String::new() };
        format!(
            r#"{{"type":"{kind}","messageId":"demo-{}-{}","timestamp":"{at}","anonymousId":"a{person}"{user},"context":{{"library":{{"name":"etalon-demo","version":"1"}},"page":{{"path":"/shop","url":"https://shop.example/shop"}},"locale":"en-GB","userAgent":"Mozilla/5.0 (demo)"}}"#,
            self.seed, self.number
        )
    }
}

fn money(cents: u32) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use model::json::Json;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_calls() {
        let at = Timestamp::from_millis(0);
        let calls = |seed| (0..200).scan(Stream::new(seed, 50), |s, _| Some(s.next(at))).collect::<Vec<_>>();
        assert_eq!(calls(7), calls(7));
        assert_ne!(calls(7), calls(8));
    }

    #[test]
    fn every_call_is_strict_json_with_an_id_of_its_own() {
        let mut stream = Stream::new(1, 20);
        let mut ids = std::collections::HashSet::new();
        for _ in 0..500 {
            let call = stream.next(Timestamp::from_millis(0));
            let parsed = Json::parse(call.as_bytes()).unwrap().value;
            assert!(ids.insert(parsed.get("messageId").and_then(Json::as_str).unwrap().to_owned()));
        }
    }
}
