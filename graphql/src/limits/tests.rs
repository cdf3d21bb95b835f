use std::{fmt::Write as _, time::Duration};

use model::{Clock, SystemClock};

use super::*;

fn code(query: &str) -> &'static str {
    check(query, &Variables::default()).map_or_else(|error| error.code(), |_| "ok")
}

fn nested(levels: usize) -> String {
    format!("{}a{}", "{a".repeat(levels - 1) + "{", "}".repeat(levels))
}

/// `f0` selects one field, each further fragment the one before twice.
fn doubling(fragments: usize) -> String {
    let mut query = format!("{{...f{}}} fragment f0 on Query{{__typename}}", fragments - 1);
    for n in 1..fragments {
        let before = n - 1;
        write!(query, " fragment f{n} on Query{{...f{before} ...f{before}}}").expect("texts take everything");
    }
    query
}

#[test]
fn depth_fields_and_aliases_have_limits() {
    assert_eq!(code(&nested(15)), "ok");
    assert_eq!(code(&nested(16)), "LIMIT");
    assert_eq!(code(&format!("{{{}}}", "a ".repeat(300))), "ok");
    assert_eq!(code(&format!("{{{}}}", "a ".repeat(301))), "LIMIT");
    assert_eq!(code(&format!("{{{}}}", "x: a ".repeat(30))), "ok");
    assert_eq!(code(&format!("{{{}}}", "x: a ".repeat(31))), "LIMIT");
}

#[test]
fn depth_counts_through_fragments() {
    let deep = format!("{{a{{...f}}}} fragment f on A {}", nested(15));
    assert_eq!(code(&deep), "LIMIT");
}

#[test]
fn rows_multiply_along_the_path() {
    assert_eq!(code("{audiences{members(first: 100000){nodes{since}}}}"), "ok");
    assert_eq!(code("{audiences{members(first: 100001){nodes{since}}}}"), "LIMIT");
    assert_eq!(code("{a(first: 1000){b(first: 101){c}}}"), "LIMIT");
    let variables = Variables::from_json(serde_json::json!({"n": 100_001}));
    assert!(check("query($n: Int){a(first: $n){b}}", &variables).is_err());
}

#[test]
fn one_operation_and_a_bounded_text() {
    assert_eq!(code("query A{a} query B{a}"), "LIMIT");
    assert_eq!(code(&format!("{{a}}{}", " ".repeat(64 * 1024))), "LIMIT");
    assert_eq!(code("{"), "BAD_REQUEST");
}

#[test]
fn a_fragment_cycle_is_refused() {
    assert_eq!(code("{...a} fragment a on Q{...b} fragment b on Q{...a}"), "BAD_REQUEST");
    assert_eq!(code("{...a}"), "BAD_REQUEST");
    assert_eq!(code("{a} fragment f on Q{a}"), "BAD_REQUEST", "an unused one is not measured");
}

#[test]
fn hostile_documents_are_refused_within_ten_milliseconds() {
    let documents = [
        doubling(24),
        doubling(30),
        doubling(1_000),
        nested(1_000),
        nested(20_000),
        format!("{{a(x: {})}}", "[".repeat(60_000)),
        format!("{{{}}}", "x: a ".repeat(10_000)),
    ];
    for document in documents {
        assert_ne!(code(&document), "ok");
        let refusing = fastest(|| drop(check(&document, &Variables::default())));
        // What the parser takes is linear in the text and slow only without optimisation.
        let parsing = if check_nesting(&document).is_ok() {
            fastest(|| drop(parse_query(&document)))
        } else {
            Duration::ZERO
        };
        let bytes = document.len();
        let allowed = parsing * 2 + Duration::from_millis(10);
        assert!(refusing < allowed, "{bytes} bytes: {refusing:?} to refuse, {parsing:?} to parse");
    }
}

fn fastest(run: impl Fn()) -> Duration {
    let clock = SystemClock::new();
    let once = || {
        let start = clock.monotonic();
        run();
        clock.monotonic() - start
    };
    (0..3).map(|_| once()).min().expect("three runs")
}

#[test]
fn brackets_in_texts_and_comments_do_not_nest() {
    let brackets = "{".repeat(100);
    assert_eq!(code(&format!("{{a(x: \"{brackets}\")}}")), "ok");
    assert_eq!(code(&format!("{{a(x: \"\\\"{brackets}\")}}")), "ok");
    assert_eq!(code(&format!("{{a(x: \"\"\"{brackets} \\\"\"\" {brackets}\"\"\")}}")), "ok");
    assert_eq!(code(&format!("{{a}} # {brackets}")), "ok");
}

#[test]
fn introspection_is_seen_through_fragments() {
    let introspects = |query| check(query, &Variables::default()).expect("within limits").introspects;
    assert!(introspects("{...f} fragment f on Query{__schema{types{name}}}"));
    assert!(!introspects("{__typename a}"));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(query in "[a-z0-9 {}()\\[\\]\"#:.$!@\\\\\n]{0,80}") {
        let _ = check(&query, &Variables::default());
    }
}
