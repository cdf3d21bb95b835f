use std::time::Duration;

use base64::Engine as _;
use delivery::EndpointState;
use hmac::Mac as _;
use model::Clock as _;
use state::Store;
use tokio::net::TcpListener;

use crate::{
    receiver::{Received, Receiver, Reply},
    world::{START, World, endpoint, until},
};

const HOUR: Duration = Duration::from_secs(3_600);

fn url(receiver: &Receiver) -> String {
    format!("http://{}/hook", receiver.address)
}

/// Ids of all changes that arrived, by first arrival of each.
fn ids(received: &[Received]) -> Vec<String> {
    received.iter().flat_map(Received::ids).collect()
}

#[tokio::test]
async fn a_change_leaves_at_once_signed_with_its_own_id() {
    let (world, receiver) = (World::new(Store::memory()), Receiver::start().await);
    let webhooks = world.start(endpoint(&url(&receiver)));
    world.append(&[1]);
    let request = receiver.wait_for(1).await.remove(0);
    assert_eq!(request.header("webhook-id"), "chg_0_1_0");
    assert_eq!(request.header("webhook-timestamp"), (START / 1_000).to_string());
    assert_eq!(request.header("content-type"), "application/json");
    assert!(
        request.body.starts_with(
            r#"{"type":"audience.entered","timestamp":"2026-03-02T09:00:00.001Z","data":{"id":"chg_0_1_0","#
        ),
        "{}",
        request.body
    );
    let key = base64::engine::general_purpose::STANDARD.decode(&crate::world::SECRET[6..]).unwrap();
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("chg_0_1_0.{}.{}", START / 1_000, request.body).as_bytes());
    let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    assert_eq!(request.header("webhook-signature"), format!("v1,{signature}"));
    let status = until(&webhooks, "success", |status| status.delivered_at.is_some()).await;
    assert_eq!((status.cursor, status.behind, status.waiting), (1, 0, 0));
    webhooks.stop().await;
}

#[tokio::test]
async fn changes_of_a_profile_arrive_in_order_and_in_batches() {
    let (world, receiver) = (World::new(Store::memory()), Receiver::start().await);
    let webhooks = world.start(endpoint(&url(&receiver)));
    for round in 0..50_u8 {
        world.append(&[round % 7, 100, round % 3, 101]);
    }
    let received = receiver.wait_until("200 changes", |received| ids(received).len() >= 200).await;
    assert_eq!(ids(&received).len(), 200, "nothing comes twice");
    for profile in [0_u8, 1, 2, 100, 101] {
        let needle = format!("{profile:02x}{profile:02x}{profile:02x}{profile:02x}-");
        let mine: Vec<u64> = received
            .iter()
            .flat_map(|request| request.body.split(r#"{"id":"chg_0_"#).skip(1))
            .filter(|change| change.contains(&needle))
            .map(|change| change.split('_').next().unwrap().parse().unwrap())
            .collect();
        assert!(mine.is_sorted(), "profile {profile}: {mine:?}");
    }
    let batch = received.iter().find(|request| request.ids().len() > 1).expect("some went together");
    assert!(batch.header("webhook-id").starts_with("bat_") && batch.header("webhook-id").len() == 36);
    assert!(batch.body.starts_with(r#"{"type":"audience.changes","#));
    webhooks.stop().await;
}

#[tokio::test]
async fn a_failing_request_parks_its_profiles_and_comes_again_unchanged() {
    let (world, receiver) = (World::new(Store::memory()), Receiver::start().await);
    receiver.reply_to(Some(("01010101-", Reply::Status(500, ""))));
    let webhooks = world.start(endpoint(&url(&receiver)));
    world.append(&[1]);
    until(&webhooks, "a failure", |status| status.waiting == 1).await;
    // 65 shares the lane of 1 only by chance; both orders must hold.
    world.append(&[1, 65, 2, 1]);
    receiver.wait_until("the others", |received| ids(received).len() >= 3).await;
    assert_eq!(ids(&receiver.received())[0], "0_1_0");
    receiver.reply_to(None);
    world.clock.advance(Duration::from_secs(7));
    let received = receiver.wait_until("all", |received| ids(received).len() >= 6).await;
    let first: Vec<&Received> = received.iter().filter(|r| r.ids().contains(&"0_1_0".to_owned())).collect();
    assert_eq!(first.len(), 2);
    assert_eq!(
        (first[0].header("webhook-id"), &first[0].body),
        (first[1].header("webhook-id"), &first[1].body)
    );
    let all = ids(&received);
    let place = |id: &str| all.iter().rposition(|found| found == id).unwrap();
    assert!(place("0_1_0") < place("0_2_0") && place("0_2_0") < place("0_5_0"), "{all:?}");
    until(&webhooks, "nothing to wait", |status| status.waiting == 0).await;
    webhooks.stop().await;
}

/// What a first answer leads to: the pause before the next attempt lies in the given seconds.
async fn check_pause(reply: Reply, timeout: Duration, text: &str, seconds: std::ops::RangeInclusive<u64>) {
    let (world, receiver) = (World::new(Store::memory()), Receiver::start().await);
    receiver.reply([reply]);
    let webhooks = world.try_start(endpoint(&url(&receiver)), timeout, true).unwrap();
    world.append(&[1]);
    let status = until(&webhooks, "a failure", |status| status.waiting == 1).await;
    assert_eq!(status.failure.unwrap().1, text);
    world.clock.advance(Duration::from_secs(*seconds.start()) - Duration::from_millis(1));
    // The worker looks at the clock when the change of another profile comes in.
    world.append(&[2]);
    receiver.wait_for(2).await;
    assert_eq!(ids(&receiver.received()).iter().filter(|id| *id == "0_1_0").count(), 1, "{text}: too soon");
    world.clock.advance(Duration::from_secs(seconds.end() - seconds.start()) + Duration::from_millis(1));
    receiver.wait_for(3).await;
    until(&webhooks, "success", |status| status.waiting == 0).await;
    webhooks.stop().await;
}

#[tokio::test]
async fn failures_follow_the_schedule() {
    let long = Duration::from_secs(10);
    check_pause(Reply::Status(500, ""), long, "answered 500", 4..=6).await;
    check_pause(Reply::Status(503, ""), long, "answered 503", 60..=60).await;
    check_pause(Reply::Status(429, "retry-after: 120\r\n"), long, "answered 429", 120..=120).await;
    check_pause(
        Reply::Status(302, "location: http://127.0.0.1:1/\r\n"),
        long,
        "answered 302 (redirects are not followed)",
        4..=6,
    )
    .await;
    check_pause(Reply::Reset, long, "the connection broke", 4..=6).await;
    check_pause(Reply::Silence, Duration::from_millis(300), "no answer in time", 60..=60).await;
}

#[tokio::test]
async fn a_huge_answer_is_read_no_further_than_needed() {
    let (world, receiver) = (World::new(Store::memory()), Receiver::start().await);
    receiver.reply([Reply::Huge]);
    let webhooks = world.start(endpoint(&url(&receiver)));
    world.append(&[1]);
    until(&webhooks, "success", |status| status.delivered_at.is_some()).await;
    webhooks.stop().await;
}

#[tokio::test]
async fn gone_disables_at_once_and_enabling_resumes() {
    let (world, receiver) = (World::new(Store::memory()), Receiver::start().await);
    receiver.reply([Reply::Status(410, "")]);
    let webhooks = world.start(endpoint(&url(&receiver)));
    world.append(&[1]);
    until(&webhooks, "disabled", |status| status.state == EndpointState::Disabled).await;
    world.append(&[2, 3]);
    webhooks.stop().await;
    let webhooks = world.start(endpoint(&url(&receiver)));
    assert_eq!(webhooks.status()[0].state, EndpointState::Disabled);
    assert!(webhooks.enable("crm") && !webhooks.enable("unknown"));
    receiver.wait_until("the changes since", |received| ids(received).len() >= 3).await;
    world.clock.advance(Duration::from_secs(7));
    receiver.wait_until("the refused one", |received| ids(received).len() >= 4).await;
    webhooks.stop().await;
}

#[tokio::test]
async fn after_the_schedule_a_change_is_a_dead_letter_and_the_next_goes_on() {
    let (world, receiver) = (World::new(Store::memory()), Receiver::start().await);
    receiver.reply_to(Some(("chg_0_1_0", Reply::Status(500, ""))));
    let webhooks = world.start(endpoint(&url(&receiver)));
    world.append(&[1]);
    for attempt in 1..=9 {
        let tried = |received: &[Received]| ids(received).iter().filter(|id| *id == "0_1_0").count();
        receiver.wait_until("the attempt", |received| tried(received) == attempt).await;
        let now = world.clock.now();
        let failed = |at| at == Some(now);
        until(&webhooks, "a failure", |s| s.waiting == 1 && failed(s.failure.as_ref().map(|f| f.0))).await;
        // Five days of failures alone would disable the endpoint.
        world.append(&[2]);
        until(&webhooks, "a success", |s| failed(s.delivered_at)).await;
        world.clock.advance(29 * HOUR);
    }
    let status = until(&webhooks, "a dead letter", |status| status.dead == 1).await;
    assert_eq!((status.state, status.waiting), (EndpointState::Active, 0));
    world.append(&[1]);
    receiver.wait_until("the next", |received| ids(received).contains(&"0_11_0".to_owned())).await;
    webhooks.stop().await;
}

#[tokio::test]
async fn a_receiver_that_was_away_gets_everything() {
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let world = World::new(Store::memory());
    let webhooks = world.start(endpoint(&format!("http://{address}/")));
    world.append(&[1, 2, 3]);
    let status = until(&webhooks, "failures", |status| status.waiting == 3).await;
    assert_eq!(status.failure.unwrap().1, "no connection");
    let receiver = Receiver::listen(TcpListener::bind(address).await.unwrap());
    world.clock.advance(Duration::from_secs(7));
    receiver.wait_until("all", |received| ids(received).len() >= 3).await;
    webhooks.stop().await;
}

#[tokio::test]
async fn a_restart_loses_nothing_and_changes_neither_ids_nor_bodies() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    receiver.reply([Reply::Silence]);
    let before = {
        let world = World::new(Store::open(dir.path(), 1 << 20).unwrap());
        // Three changes of one profile wait behind a request that never ends.
        let webhooks = world.start(endpoint(&url(&receiver)));
        world.append(&[1, 1]);
        let before = receiver.wait_for(1).await;
        world.append(&[1]);
        until(&webhooks, "all read", |status| status.cursor == 3).await;
        webhooks.stop().await;
        world.store.persist().unwrap();
        before
    };
    let world = World::new(Store::open(dir.path(), 1 << 20).unwrap());
    let webhooks = world.start(endpoint(&url(&receiver)));
    let received = receiver.wait_until("all", |received| ids(received).len() >= 5).await;
    assert_eq!(ids(&received), ["0_1_0", "0_2_0", "0_1_0", "0_2_0", "0_3_0"]);
    assert_eq!(
        (received[1].header("webhook-id"), &received[1].body),
        (before[0].header("webhook-id"), &before[0].body)
    );
    webhooks.stop().await;
}

#[tokio::test]
async fn only_wanted_audiences_are_sent() {
    let (world, receiver) = (World::new(Store::memory()), Receiver::start().await);
    let webhooks =
        world.start(delivery::Endpoint { audiences: vec!["others".into()], ..endpoint(&url(&receiver)) });
    world.append(&[1, 2]);
    until(&webhooks, "all read", |status| status.cursor == 2).await;
    assert!(receiver.received().is_empty());
    webhooks.stop().await;
}

#[tokio::test]
async fn addresses_that_are_not_allowed_get_no_connection() {
    let (world, receiver) = (World::new(Store::memory()), Receiver::start().await);
    let port = receiver.address.port();
    for url in [
        format!("http://127.0.0.1:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        "https://127.0.0.1/".into(),
        "http://shop.example/".into(),
    ] {
        assert!(world.try_start(endpoint(&url), HOUR, false).is_err(), "{url}");
    }
    // A name is looked at when it is resolved.
    let webhooks = world.try_start(endpoint("https://localhost:8443/"), HOUR, false).unwrap();
    world.append(&[1]);
    let status = until(&webhooks, "a failure", |status| status.failure.is_some()).await;
    assert_eq!(status.failure.unwrap().1, "the address is not allowed");
    webhooks.stop().await;
    assert!(receiver.received().is_empty());
}
