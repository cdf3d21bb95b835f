use std::{io::Write, time::Duration};

use collector::Flavour;
use eventlog::AppendError;
use model::{Event, RecordKind};

use crate::support::{World, request};

const TRACK: &str = r#"{"type":"track","event":"Viewed","userId":"u1","messageId":"m1"}"#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[tokio::test]
async fn every_path_takes_an_event() {
    let world = World::new(Flavour::Segment).await;
    let paths = [
        "/v1/track",
        "/v1/t/",
        "/track",
        "/v1/v1/t",
        "/shop/v1/track",
        "/v1/batch",
        "/b",
        "/v1/import",
        "/beacon/v1/batch?writeKey=WK",
    ];
    for (i, path) in paths.into_iter().enumerate() {
        let event = format!(r#"{{"type":"track","event":"E","userId":"u","messageId":"p{i}"}}"#);
        let single = path.contains('t') && !path.contains("batch") && !path.contains("import");
        let body = if single { event } else { format!(r#"{{"batch":[{event}]}}"#) };
        assert_eq!(world.post(path, &body).await.short(), "200 1 0 0", "{path}");
    }
    let array =
        r#"[{"type":"page","userId":"u","messageId":"x1"},{"type":"page","userId":"u","messageId":"x2"}]"#;
    assert_eq!(world.post("/v1/batch", array).await.short(), "200 2 0 0");
    assert_eq!(world.post("/v1/m", "{}").await.status, 200);
    assert_eq!(world.send("POST", "/rsaMetrics", &[], b"{}").await.status, 200);
    assert_eq!(world.message_ids().len(), paths.len() + 2);
}

#[tokio::test]
async fn the_write_key_is_found_in_five_places() {
    let world = World::new(Flavour::Segment).await;
    let body = |id: &str, extra: &str| {
        format!(r#"{{"batch":[{{"type":"page","userId":"u","messageId":"{id}"{extra}}}]}}"#)
    };
    let check = async |path: &str, header: Option<(&str, &str)>, body: String, expect: &str| {
        let headers: Vec<_> = header.into_iter().collect();
        assert_eq!(
            world.send("POST", path, &headers, body.as_bytes()).await.short(),
            expect,
            "{path} {body}"
        );
    };
    check("/v1/batch", Some(("authorization", "Basic V0s=")), body("a", ""), "200 1 0 0").await;
    check("/v1/batch?writekey=WK", Some(("authorization", "Bearer x")), body("b", ""), "200 1 0 0").await;
    check("/v1/batch", None, body("c", "").replace("]}", r#"],"writeKey":"WK"}"#), "200 1 0 0").await;
    check("/v1/batch", None, body("d", r#","writeKey":"WK""#), "200 1 0 0").await;
    check("/v1/batch", Some(("x-write-key", "WK")), body("e", ""), "200 1 0 0").await;
    check("/v1/batch", None, body("f", ""), "401 missing_write_key").await;
    check("/v1/batch?writeKey=nobody", None, body("f", ""), "401 invalid_write_key").await;
    check("/v1/batch?writeKey=OFF", None, body("f", ""), "404 source_disabled").await;
    check("/v1/batch?writeKey=WK", None, body("g", r#","writeKey":"APP""#), "200 0 0 1").await;
    check("/v1/unknown?writeKey=WK", None, String::new(), "404 not_found").await;
}

#[tokio::test]
async fn what_cannot_be_separated_is_refused_and_kept() {
    let world = World::new(Flavour::Segment).await;
    let check = async |path: &str, body: &[u8], expect: &str| {
        let answer = world.send("POST", path, &[("authorization", "Basic V0s6")], body).await;
        assert_eq!(answer.short(), expect, "{path} {}", String::from_utf8_lossy(body));
    };
    check("/v1/batch", b"{\"batch\":[", "400 invalid_json").await;
    check("/v1/track", b"{\"event\": tru}", "400 invalid_json").await;
    check("/v1/track", b"", "400 invalid_json").await;
    check("/v1/batch", b"7", "400 not_an_object").await;
    check("/v1/batch", b"{\"batch\":[]}", "400 empty_batch").await;
    check("/v1/batch", b"\x1f\x8bnot gzip", "400 bad_gzip").await;
    let reasons: Vec<String> = world.letters().into_iter().map(|l| l.reason).collect();
    assert_eq!(
        reasons,
        ["invalid_json", "invalid_json", "invalid_json", "not_an_object", "empty_batch", "bad_gzip"]
    );
}

#[tokio::test]
async fn wrong_items_are_quarantined_alone_c6() {
    let world = World::new(Flavour::RudderStack).await;
    let deep = format!("{}1{}", "[".repeat(65), "]".repeat(65));
    let large = "x".repeat(1 << 20);
    let items = [
        TRACK.to_owned(),
        "{broken}".to_owned(),
        "7".to_owned(),
        deep,
        format!(r#"{{"type":"page","userId":"u","x":"{large}"}}"#),
        r#"{"type":"page","userId":"u","messageId":"m2","p":{"a":NaN,"b":-Infinity,"c":"\ud83d"}}"#
            .to_owned(),
        r#"{"type":"page","userId":[]}"#.to_owned(),
    ];
    let answer = world.post("/v1/batch", &format!(r#"{{"batch":[{}]}}"#, items.join(","))).await;
    assert_eq!(answer.short(), "200 2 0 5");
    assert_eq!(answer.text(), "ok");
    let letters: Vec<(u32, String)> = world.letters().into_iter().map(|l| (l.index, l.reason)).collect();
    let expect = [
        (1, "unparsable"),
        (2, "not_an_object"),
        (3, "too_deep"),
        (4, "event_too_large"),
        (6, "missing_ids"),
    ];
    assert_eq!(letters, expect.map(|(i, r)| (i, r.to_owned())));
    let statistics = world.collector.statistics();
    assert_eq!((statistics.non_finite, statistics.mended_text), (2, 1));
    assert_eq!(statistics.sources[0].quarantined.iter().map(|(_, n)| n).sum::<u64>(), 5);
}

#[tokio::test]
async fn a_large_request_is_refused_whether_packed_or_not_c21() {
    let world = World::new(Flavour::Segment).await;
    let key = [("authorization", "Basic V0s6")];
    let plain = vec![b' '; (5 << 20) + 1];
    assert_eq!(world.send("POST", "/v1/batch", &key, &plain).await.short(), "413 payload_too_large");
    // Members follow each other; each inflates to a megabyte.
    let bomb = gzip(&vec![b' '; 1 << 20]).repeat(800);
    assert!(bomb.len() < 1 << 20);
    assert_eq!(world.send("POST", "/v1/batch", &key, &bomb).await.short(), "413 payload_too_large");
    assert!(world.records(RecordKind::Event).is_empty());
}

#[tokio::test]
async fn errors_can_be_read_by_a_page_c2_c5() {
    let world = World::new(Flavour::Segment).await;
    let from = |origin: &'static str, path: &'static str| {
        let world = &world;
        async move { world.send("POST", path, &[("origin", origin)], TRACK.as_bytes()).await }
    };
    let answer = from("https://any.example", "/v1/t").await;
    assert_eq!(answer.short(), "401 missing_write_key");
    assert_eq!(answer.header("access-control-allow-origin"), "https://any.example");
    assert_eq!(answer.header("vary"), "Origin");
    assert!(answer.text().contains("\"message\":"));
    let good = from("https://good.example", "/v1/t?writeKey=CLOSED").await;
    assert_eq!(good.header("access-control-allow-origin"), "https://good.example");
    let bad = from("https://bad.example", "/v1/t?writeKey=CLOSED").await;
    assert_eq!((bad.status, bad.header("access-control-allow-origin")), (200, ""));
}

#[tokio::test]
async fn pixels_answer_with_an_image_whatever_happens() {
    let world = World::new(Flavour::RudderStack).await;
    let paths = [
        "/pixel/v1/track?writeKey=WK&anonymousId=a1&event=Ad+Seen&properties.x=1",
        "/v1/pixel/page?writeKey=WK&data=eyJ1c2VySWQiOiJ1MSJ9",
        "/pixel/v1/track?writeKey=nobody&event=x",
        "/pixel/v1/track",
    ];
    for path in paths {
        let answer = world.send("GET", path, &[], b"").await;
        assert_eq!(
            (answer.status, answer.body.len(), answer.header("content-type")),
            (200, 43, "image/gif"),
            "{path}"
        );
    }
    let events = world.records(RecordKind::Event);
    let events: Vec<Event<'_>> = events.iter().map(|p| Event::decode(p).unwrap()).collect();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].json().path("properties.x").unwrap().as_str(), Some("1"));
    assert_eq!(events[0].timestamp, world.now());
}

#[tokio::test]
async fn configuration_needs_a_known_key() {
    let world = World::new(Flavour::Segment).await;
    assert_eq!(world.send("GET", "/v1/projects/nobody/settings", &[], b"").await.status, 404);
    assert_eq!(world.send("GET", "/sourceConfig/?writeKey=nobody", &[], b"").await.status, 404);
    let off = world.send("GET", "/sourceConfig/?writeKey=OFF", &[], b"").await;
    assert!(off.text().contains("\"enabled\":false,\"workspaceId\""));
}

#[tokio::test]
async fn order_is_the_order_of_arrival() {
    let world = World::new(Flavour::Segment).await;
    let items: Vec<String> = (0..15)
        .map(|i| format!(r#"{{"type":"page","userId":"u{}","messageId":"m{i:02}"}}"#, i % 4))
        .collect();
    world.post("/v1/batch", &format!(r#"{{"batch":[{}]}}"#, items.join(","))).await;
    world.post("/v1/track", TRACK).await;
    let ids = world.message_ids();
    assert!(ids[..15].is_sorted() && ids[15] == "m1", "{ids:?}");
}

#[tokio::test]
async fn a_duplicate_of_a_message_in_flight_waits_for_it_c32() {
    let world = World::new(Flavour::Segment).await;
    world.log.open.send_replace(false);
    let first = world.post("/v1/track", TRACK);
    let second = world.post("/v1/track", TRACK);
    let open = async {
        // Both requests are at the log's door or behind it: nothing of them is stored or answered.
        while world.collector.statistics().dedup.hot_keys == 0
            || world.collector.statistics().waiting_bytes < 150
        {
            tokio::task::yield_now().await;
        }
        assert!(world.records(RecordKind::Event).is_empty());
        world.log.open.send_replace(true);
    };
    let (first, second, ()) = tokio::join!(first, second, open);
    let mut answers = [first.short(), second.short()];
    answers.sort();
    assert_eq!(answers, ["200 0 1 0", "200 1 0 0"]);
    assert_eq!(world.message_ids(), ["m1"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_held_and_then_sent_away_c9() {
    let world = World::new(Flavour::Segment).await;
    let full = AppendError::Full { retry_after: Duration::from_millis(100) };
    world.log.memory.refuse(Some(full));
    let before = tokio::time::Instant::now();
    let answer = world.direct("/v1/track", TRACK).await;
    let held = before.elapsed();
    assert_eq!(answer.short(), "429 overloaded");
    assert!((1..=5).contains(&answer.header("retry-after").parse::<u32>().unwrap()));
    assert!((7..9).contains(&held.as_secs()), "{held:?}");
    world.log.memory.refuse(None);
    assert_eq!(world.direct("/v1/track", TRACK).await.short(), "200 1 0 0");
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_comes_after_the_answer_is_known_to_the_retry_c8() {
    let world = World::new(Flavour::Segment).await;
    world.log.open.send_replace(false);
    assert_eq!(world.direct("/v1/track", TRACK).await.short(), "429 overloaded");
    world.log.open.send_replace(true);
    assert_eq!(world.direct("/v1/track", TRACK).await.short(), "200 0 1 0");
    assert_eq!(world.message_ids(), ["m1"]);
}

#[tokio::test]
async fn broken_storage_is_said_at_once() {
    let world = World::new(Flavour::Segment).await;
    world.log.memory.refuse(Some(AppendError::Failed));
    assert_eq!(world.post("/v1/track", TRACK).await.short(), "500 storage_failed");
    assert!(world.collector.readiness().await.is_err());
    world.log.memory.refuse(None);
    assert!(world.collector.readiness().await.is_ok());
    assert_eq!(world.post("/v1/track", TRACK).await.short(), "200 1 0 0");
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let world = World::new(Flavour::Segment).await;
    let mut connection = tokio::net::TcpStream::connect(("127.0.0.1", world.port)).await.unwrap();
    for (i, body) in [TRACK, "{", TRACK].into_iter().enumerate() {
        let answer =
            request(&mut connection, "POST", "/v1/t", &[("authorization", "Basic V0s6")], body.as_bytes())
                .await;
        assert_eq!(answer.short(), ["200 1 0 0", "400 invalid_json", "200 0 1 0"][i]);
    }
}
