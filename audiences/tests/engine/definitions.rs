use semantic::{Expr, Operator};

use crate::{
    build::{audience, did, everyone, golden, is},
    world::{World, id},
};

fn buyers(within: u64, count: i64) -> Expr {
    did("Order", within, &[is(Operator::Gte, count)])
}

#[test]
fn an_edited_audience_drops_old_members_and_takes_new_ones() {
    let mut world = World::new(vec![audience("regulars", buyers(100, 1))]);
    world.track(1_000, 1_000, "p1", "Order", "{}");
    world.track(1_010, 1_010, "p2", "Order", "{}");
    world.track(1_010, 1_010, "p2", "Order", "{}");
    world.track(1_020, 1_020, "p3", "Asked", "{}");
    world.changes.clear();
    world.define(1_030, vec![audience("regulars", Expr::Any(vec![buyers(200, 2), did("Asked", 0, &[])]))]);
    world.track(1_040, 1_040, "p1", "Order", "{}");
    world.tick(2_000);
    assert_eq!(
        world.lines(),
        [
            "1030 p1 regulars exited definition",
            "1030 p3 regulars entered definition",
            "1040 p1 regulars entered event m6",
            "1200 p1 regulars exited time",
            "1210 p2 regulars exited time",
        ]
    );
    assert!(world.changes.iter().all(|change| change.audience_version == 2));
    assert_eq!(world.engine.version("regulars"), Some(2));
}

#[test]
fn a_new_audience_sees_all_history_and_reuses_leaves() {
    let mut world = World::new(vec![audience("anyone", everyone()), audience("buyers", buyers(100, 1))]);
    world.track(1_000, 1_000, "p1", "Order", "{}");
    world.identify(1_001, 1_001, "p2", &[("plan", "\"pro\"")]);
    world.changes.clear();
    let mut audiences = world.audiences.clone();
    audiences.push(audience("buyers_again", buyers(100, 1)));
    let engine = world.restored(&audiences);
    assert_eq!((engine.missing(), engine.missing_history(), engine.missing_traits()), (true, false, false));
    audiences.push(audience("on_pro", golden("plan", is(Operator::Eq, "pro"))));
    audiences.push(audience("viewers", did("Viewed", 0, &[is(Operator::Eq, 0)])));
    world.define(1_050, audiences);
    assert_eq!(
        world.lines(),
        [
            "1050 p1 buyers_again entered backfill",
            "1050 p1 viewers entered backfill",
            "1050 p2 on_pro entered backfill",
            "1050 p2 viewers entered backfill",
        ]
    );
    assert_eq!(world.changes[0].leaves_at.map(|at| at.as_millis()), Some(1_100));
}

#[test]
fn until_history_is_folded_the_old_version_answers() {
    let mut world = World::new(vec![audience("buyers", buyers(0, 1))]);
    world.track(1_000, 1_000, "p1", "Order", "{}");
    let changed = [audience("buyers", buyers(0, 2))];
    let engine = world.restored(&changed);
    assert!(engine.missing() && engine.missing_history());
    assert_eq!((engine.is_member("buyers", id("p1")), engine.version("buyers")), (true, Some(1)));
}

#[test]
fn a_dropped_audience_takes_its_members_out_and_comes_back_as_the_next_version() {
    let mut world = World::new(vec![audience("buyers", buyers(0, 1)), audience("kept", everyone())]);
    world.track(1_000, 1_000, "p1", "Order", "{}");
    world.changes.clear();
    world.define(1_010, vec![audience("kept", everyone())]);
    assert_eq!((world.engine.size("buyers"), world.engine.missing()), (None, false));
    assert!(!world.restored(&world.audiences).missing());
    world.define(1_020, vec![audience("buyers", buyers(0, 1)), audience("kept", everyone())]);
    assert_eq!(world.lines(), ["1010 p1 buyers exited definition", "1020 p1 buyers entered backfill"]);
    assert_eq!(world.engine.version("buyers"), Some(2));
}
