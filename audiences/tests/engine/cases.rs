use std::time::Duration;

use audiences::Engine;
use model::{EventType, Timestamp};
use semantic::{Audience, Operator};

use crate::{
    build::{audience, did, did_where, everyone, golden, is, not, property},
    world::{World, id},
};

const HOUR: u64 = 3_600_000;
const H: i64 = HOUR as i64;

/// Runs `script` and compares every change, one line each: at, profile, audience, change, reason, cause.
fn check(audiences: Vec<Audience>, script: impl FnOnce(&mut World), expect: &[&str]) -> World {
    let mut world = World::new(audiences);
    world.restless = true;
    script(&mut world);
    assert_eq!(world.lines(), expect);
    world
}

#[test]
fn a_further_event_moves_the_exit_and_a_late_one_counts_from_its_own_time() {
    check(
        vec![audience("lately", did("Viewed", 100, &[]))],
        |world| {
            world.track(1_000, 1_000, "p1", "Viewed", "{}");
            world.track(1_040, 1_040, "p1", "Viewed", "{}");
            world.track(1_050, 1_010, "p2", "Viewed", "{}");
            world.track(1_055, 1_020, "p1", "Viewed", "{}");
            world.track(1_200, 1_100, "p3", "Viewed", "{}");
            world.tick(1_300);
        },
        &[
            "1000 p1 lately entered event m1",
            "1050 p2 lately entered event m3",
            "1110 p2 lately exited time",
            "1140 p1 lately exited time",
        ],
    );
}

#[test]
fn a_deadline_is_judged_after_the_record_of_its_instant() {
    check(
        vec![audience("lately", did("Viewed", 100, &[]))],
        |world| {
            for profile in ["p1", "p2", "p3"] {
                world.track(1_000, 1_000, profile, "Viewed", "{}");
            }
            world.track(1_100, 1_100, "p1", "Viewed", "{}");
            world.track(1_100, 1_100, "p2", "Else", "{}");
            world.track(1_100, 1_100, "p3", "Viewed", "{}");
            world.tick(1_300);
        },
        &[
            "1000 p1 lately entered event m1",
            "1000 p2 lately entered event m2",
            "1000 p3 lately entered event m3",
            "1100 p2 lately exited time",
            "1200 p1 lately exited time",
            "1200 p3 lately exited time",
        ],
    );
}

#[test]
fn the_silent_leave_in_order_of_deadline_and_profile_however_late_the_clock_comes() {
    let world = check(
        vec![audience("b", did("Viewed", 100, &[])), audience("a", did("Viewed", 100, &[]))],
        |world| {
            world.track(1_001, 1_001, "p1", "Viewed", "{}");
            world.track(1_001, 1_000, "p3", "Viewed", "{}");
            world.track(1_001, 1_000, "p2", "Viewed", "{}");
            world.changes.clear();
            assert_eq!(world.engine.next_deadline(), Some(Timestamp::from_millis(1_100)));
            world.tick(1_100);
            assert!(world.changes.is_empty());
            world.tick(999_999);
        },
        &[
            "1100 p2 a exited time",
            "1100 p2 b exited time",
            "1100 p3 a exited time",
            "1100 p3 b exited time",
            "1101 p1 a exited time",
            "1101 p1 b exited time",
        ],
    );
    assert!(world.changes.iter().all(|change| change.computed_at.as_millis() == 999_999));
    assert_eq!(world.engine.next_deadline(), None);
}

#[test]
fn whoever_did_nothing_enters_when_it_first_exists() {
    let never = did("Logged In", 100, &[is(Operator::Eq, 0)]);
    check(
        vec![
            audience("dormant", never),
            audience("by_not", not(did("Logged In", 100, &[]))),
            audience("all", everyone()),
        ],
        |world| {
            world.identify(1_000, 1_000, "p1", &[("plan", "\"free\"")]);
            world.track(1_010, 1_010, "p1", "Logged In", "{}");
            world.track(1_020, 1_020, "p2", "Logged In", "{}");
            world.tick(1_200);
        },
        &[
            "1000 p1 all entered trait m1",
            "1000 p1 by_not entered trait m1",
            "1000 p1 dormant entered trait m1",
            "1010 p1 by_not exited event m2",
            "1010 p1 dormant exited event m2",
            "1020 p2 all entered event m3",
            "1110 p1 by_not entered time",
            "1110 p1 dormant entered time",
            "1120 p2 by_not entered time",
            "1120 p2 dormant entered time",
        ],
    );
}

#[test]
fn a_merge_takes_the_retired_out_and_gives_the_survivor_the_difference() {
    let orders = |count| did("Order", 1_000, count);
    check(
        vec![
            audience("buyers", orders(&[])),
            audience("three", orders(&[is(Operator::Gte, 3)])),
            audience("at_most_one", orders(&[is(Operator::Lte, 1)])),
        ],
        |world| {
            world.track(1_000, 1_000, "p1", "Order", "{}");
            world.track(1_100, 1_100, "p1", "Order", "{}");
            world.track(1_200, 1_200, "p2", "Order", "{}");
            world.merge(1_300, "p2", "p1");
            world.track(1_400, 1_350, "p2", "Order", "{}");
            world.tick(2_150);
            assert_eq!(world.changes.iter().filter(|c| c.merged_into == Some(id("p1"))).count(), 2);
        },
        &[
            "1000 p1 at_most_one entered event m1",
            "1000 p1 buyers entered event m1",
            "1100 p1 at_most_one exited event m2",
            "1200 p2 at_most_one entered event m3",
            "1200 p2 buyers entered event m3",
            "1300 p2 at_most_one exited merge",
            "1300 p2 buyers exited merge",
            "1300 p1 three entered merge",
            "2100 p1 three exited time",
        ],
    );
}

#[test]
fn a_split_gives_both_their_own_history_back() {
    check(
        vec![
            audience("three", did("Order", 1_000, &[is(Operator::Gte, 3)])),
            audience("on_pro", golden("plan", is(Operator::Eq, "pro"))),
        ],
        |world| {
            world.track(1_000, 1_000, "p1", "Order", "{}");
            world.identify(1_010, 1_010, "p1", &[("plan", "\"pro\"")]);
            world.track(1_100, 1_100, "p2", "Order", "{}");
            world.identify(1_200, 1_200, "p2", &[("plan", "\"free\"")]);
            world.merge(1_300, "p2", "p1");
            world.track(1_400, 1_400, "p2", "Order", "{}");
            world.track(1_500, 1_500, "p2", "Order", "{}");
            world.unmerge(1_600, "p2");
            world.track(1_700, 1_700, "p1", "Order", "{}");
            world.tick(3_000);
            let seqs: Vec<_> =
                world.changes.iter().filter(|c| c.profile == id("p2")).map(|c| c.profile_seq).collect();
            assert_eq!(seqs, [1, 2]);
        },
        &[
            "1010 p1 on_pro entered trait m2",
            "1300 p1 on_pro exited merge",
            "1400 p1 three entered event m6",
            "1600 p1 on_pro entered unmerge",
            "1600 p1 three exited unmerge",
            "1600 p2 three entered unmerge",
            "2100 p2 three exited time",
        ],
    );
}

#[test]
fn relative_dates_move_by_the_clock_alone() {
    let when =
        |operator, days: u64| golden("trial_ends_at", is(operator, Duration::from_millis(days * 24 * HOUR)));
    check(
        vec![
            audience("a_running", when(Operator::AfterNext, 3)),
            audience("b_ending", when(Operator::WithinNext, 3)),
            audience("c_just_over", when(Operator::WithinLast, 7)),
            audience("d_long_over", when(Operator::BeforeLast, 7)),
        ],
        |world| {
            world.identify(H, H, "p1", &[("trial_ends_at", "\"1970-01-11T00:00:00Z\"")]);
            world.identify(2 * H, 2 * H, "p2", &[("trial_ends_at", "\"soon\"")]);
            world.tick(40 * 24 * H);
        },
        &[
            "3600000 p1 a_running entered trait m1",
            "604800000 p1 a_running exited time",
            "604800000 p1 b_ending entered time",
            "864000000 p1 b_ending exited time",
            "864000000 p1 c_just_over entered time",
            "1468800000 p1 c_just_over exited time",
            "1468800000 p1 d_long_over entered time",
        ],
    );
}

#[test]
fn a_time_in_the_future_is_read_as_the_arrival() {
    check(
        vec![audience("lately", did("Viewed", 100, &[]))],
        |world| {
            world.track(1_000, 9_000, "p1", "Viewed", "{}");
            world.tick(2_000);
        },
        &["1000 p1 lately entered event m1", "1100 p1 lately exited time"],
    );
}

#[test]
fn filters_look_at_values_names_and_times_of_the_call() {
    let viewed = |filter| did_where("*", Some(filter), 0, &[]);
    check(
        vec![
            audience("a_cheap", viewed(property("price", is(Operator::Lt, 10)))),
            audience(
                "b_not_blue",
                viewed(semantic::Filter::Not(Box::new(property("color", is(Operator::Eq, "blue"))))),
            ),
            audience("c_nested", viewed(property("ship.country", is(Operator::Eq, "FR")))),
            audience("d_named", viewed(property("$name", is(Operator::StartsWith, "View")))),
            audience("e_timed", viewed(property("$time", is(Operator::After, "1970-01-01T00:00:01Z")))),
        ],
        |world| {
            world.track(900, 900, "p1", "Seen", r#"{"price":"9","color":"blue"}"#);
            world.track(1_100, 1_000, "p2", "Viewed", r#"{"price":9.99,"ship":{"country":"FR"}}"#);
            world.track(1_100, 1_001, "p3", "Seen", r#"{"color":"blue"}"#);
        },
        &[
            "1100 p2 a_cheap entered event m2",
            "1100 p2 b_not_blue entered event m2",
            "1100 p2 c_nested entered event m2",
            "1100 p2 d_named entered event m2",
            "1100 p3 e_timed entered event m3",
        ],
    );
}

#[test]
fn pages_are_no_events_and_identifies_are_not_counted() {
    check(
        vec![audience("any", did("*", 0, &[]))],
        |world| {
            for (clock, event_type) in [(1, EventType::Page), (2, EventType::Identify), (3, EventType::Alias)]
            {
                let at = world.record(clock);
                world.call_in(at, clock, "p1", event_type, "Viewed", "{}");
                world.commit();
            }
        },
        &[],
    );
}

#[test]
fn members_are_paged_by_id_in_small_and_large_audiences() {
    let mut world =
        World::new(vec![audience("few", did("Rare", 0, &[])), audience("most", did("Viewed", 0, &[]))]);
    let names: Vec<String> = (0..300).map(|i| format!("p{:03}", i * 7 % 300)).collect();
    for (i, name) in (1..).zip(&names) {
        world.track(i, i, name, if i % 150 == 7 { "Rare" } else { "Viewed" }, "{}");
    }
    for (audience, size) in [("few", 2), ("most", 298)] {
        let mut all = Vec::new();
        loop {
            let page = world.engine.members(audience, all.last().copied(), 100);
            all.extend(page.iter().map(|member| member.profile));
            if page.len() < 100 {
                break;
            }
        }
        assert_eq!((all.len() as u64, all.is_sorted()), (size, true), "{audience}");
        assert_eq!(world.engine.size(audience), Some(size));
        assert!(all.iter().all(|profile| world.engine.is_member(audience, *profile)));
    }
    assert_eq!(world.engine.members("few", None, 1).len(), 1);
    assert_eq!((world.engine.size("unknown"), world.engine.members("unknown", None, 9)), (None, Vec::new()));
}

#[test]
fn an_explanation_shows_values_and_deadlines() {
    let condition = semantic::Expr::All(vec![
        did("Order", 100, &[is(Operator::Gte, 3)]),
        not(golden("plan", is(Operator::Eq, "pro"))),
    ]);
    let mut world = World::new(vec![audience("regulars", condition)]);
    for clock in [1_000, 1_010, 1_020] {
        world.track(clock, clock, "p1", "Order", "{}");
    }
    let explain =
        |world: &World, now| world.engine.explain("regulars", id("p1"), Timestamp::from_millis(now)).unwrap();
    let root = explain(&world, 1_030);
    assert_eq!((root.holds, root.until, root.children.len()), (true, Some(Timestamp::from_millis(1_100)), 2));
    assert_eq!(root.children[0].value.as_deref(), Some("3 of 3"));
    assert_eq!((root.children[1].holds, root.children[1].until), (true, None));
    let later = explain(&world, 1_105);
    assert_eq!((later.holds, later.children[0].value.as_deref()), (false, Some("2 of 3")));
    assert_eq!(world.engine.of_profile(id("p1"))[0].1.leaves_at, Some(Timestamp::from_millis(1_100)));
    world.merge(1_031, "p1", "p2");
    assert_eq!(world.engine.explain("regulars", id("p1"), Timestamp::from_millis(1_031)), None);
}

#[test]
fn damaged_state_is_refused() {
    let mut world = World::new(vec![audience("lately", did("Viewed", 100, &[]))]);
    world.track(1_000, 1_000, "p1", "Viewed", "{}");
    let [leaves, members, meta] = &world.store;
    for (kept, which) in [(leaves, 0), (members, 1), (meta, 2)] {
        for (key, value) in kept {
            for end in 0..value.len() {
                let mut store = world.store.clone();
                store[which].insert(key.clone(), value[..end].to_vec());
                let [leaves, members, meta] = store;
                assert!(
                    Engine::restore(&world.audiences, leaves, members, meta).is_err(),
                    "{key:?} cut at {end}"
                );
            }
        }
    }
}
