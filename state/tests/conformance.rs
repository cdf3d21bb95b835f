//! What a store promises, checked on both variants: one specification, two implementations.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed call is a failed test")]

use std::{collections::BTreeMap, path::Path};

use proptest::prelude::*;
use state::{Error, Keyspace, Pair, Store};

const CACHE_BYTES: u64 = 1 << 20;

/// Runs a promise on a fresh store of each variant.
fn on_both(promise: impl Fn(&Store)) {
    promise(&Store::memory());
    let dir = tempfile::tempdir().unwrap();
    promise(&open(dir.path()));
}

fn open(dir: &Path) -> Store {
    Store::open(dir, CACHE_BYTES).unwrap()
}

fn put(store: &Store, keyspace: &Keyspace, pairs: &[(&str, &str)]) {
    let mut batch = store.batch();
    for (key, value) in pairs {
        batch.put(keyspace, *key, *value);
    }
    batch.commit().unwrap();
}

type Pairs = Vec<(String, String)>;

fn texts(pairs: impl Iterator<Item = Result<Pair, Error>>) -> Pairs {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    pairs.map(|pair| pair.map(|(key, value)| (text(key), text(value))).unwrap()).collect()
}

fn keys(pairs: impl Iterator<Item = Result<Pair, Error>>) -> Vec<String> {
    texts(pairs).into_iter().map(|(key, _)| key).collect()
}

#[test]
fn a_committed_value_is_read_back_and_an_uncommitted_one_is_not() {
    on_both(|store| {
        let keyspace = store.keyspace("a").unwrap();
        put(store, &keyspace, &[("k", "1")]);
        let mut dropped = store.batch();
        dropped.put(&keyspace, "k", "2");
        drop(dropped);
        assert_eq!(keyspace.get(b"k").unwrap().unwrap(), b"1");
        assert_eq!(keyspace.get(b"absent").unwrap(), None);
    });
}

#[test]
fn the_last_change_of_a_key_in_a_batch_counts() {
    on_both(|store| {
        let keyspace = store.keyspace("a").unwrap();
        let mut batch = store.batch();
        assert!(batch.is_empty());
        batch.put(&keyspace, "k", "1");
        batch.delete(&keyspace, "k");
        batch.delete(&keyspace, "l");
        batch.put(&keyspace, "l", "2");
        assert_eq!((batch.is_empty(), batch.len()), (false, 4));
        batch.commit().unwrap();
        assert_eq!(texts(keyspace.range(b"", None)), [("l".to_owned(), "2".to_owned())]);
    });
}

#[test]
fn keyspaces_are_apart_and_a_name_means_one_of_them() {
    on_both(|store| {
        let (one, two) = (store.keyspace("one").unwrap(), store.keyspace("two").unwrap());
        let mut batch = store.batch();
        batch.put(&one, "k", "1");
        batch.put(&two, "k", "2");
        batch.commit().unwrap();
        assert_eq!(store.keyspace("one").unwrap().get(b"k").unwrap().unwrap(), b"1");
        assert_eq!(two.get(b"k").unwrap().unwrap(), b"2");
    });
}

#[test]
fn ranges_are_half_open_and_ordered() {
    on_both(|store| {
        let keyspace = store.keyspace("a").unwrap();
        put(store, &keyspace, &[("c", "3"), ("a", "1"), ("d", "4"), ("b", "2")]);
        assert_eq!(keys(keyspace.range(b"b", Some(b"d"))), ["b", "c"]);
        assert_eq!(keys(keyspace.range(b"b", None)), ["b", "c", "d"]);
        assert_eq!(keys(keyspace.range(b"", Some(b""))), [""; 0]);
        assert_eq!(keys(keyspace.range(b"d", Some(b"b"))), [""; 0]);
    });
}

#[test]
fn a_prefix_selects_its_keys_alone() {
    on_both(|store| {
        let keyspace = store.keyspace("a").unwrap();
        let mut batch = store.batch();
        for key in [&b"a"[..], b"ab", b"ab\xff", b"ac", b"\xff", b"\xff\xff"] {
            batch.put(&keyspace, key, "");
        }
        batch.commit().unwrap();
        let found = |prefix: &[u8]| keyspace.prefix(prefix).map(|p| p.unwrap().0).collect::<Vec<_>>();
        assert_eq!(found(b"ab"), [&b"ab"[..], b"ab\xff"]);
        assert_eq!(found(b"\xff"), [&b"\xff"[..], b"\xff\xff"]);
        assert_eq!(found(b"").len(), 6);
    });
}

#[test]
fn the_last_pair_has_the_greatest_key() {
    on_both(|store| {
        let keyspace = store.keyspace("a").unwrap();
        assert_eq!(keyspace.last().unwrap(), None);
        let mut batch = store.batch();
        for number in [1_u64, 300, 2] {
            batch.put(&keyspace, number.to_be_bytes(), number.to_string());
        }
        batch.commit().unwrap();
        assert_eq!(keyspace.last().unwrap().unwrap().1, b"300");
    });
}

#[test]
fn a_reader_sees_the_commits_before_it_alone() {
    on_both(|store| {
        let keyspace = store.keyspace("a").unwrap();
        put(store, &keyspace, &[("a", "1"), ("b", "1")]);
        let reader = keyspace.range(b"", None);
        put(store, &keyspace, &[("b", "2"), ("c", "2")]);
        assert_eq!(texts(reader).concat_values(), "a1b1");
        assert_eq!(texts(keyspace.range(b"", None)).concat_values(), "a1b2c2");
    });
}

trait ConcatValues {
    fn concat_values(self) -> String;
}

impl ConcatValues for Pairs {
    fn concat_values(self) -> String {
        self.into_iter().map(|(key, value)| key + &value).collect()
    }
}

#[test]
fn a_keyspace_of_another_store_is_refused_and_nothing_is_written() {
    on_both(|store| {
        let mine = store.keyspace("mine").unwrap();
        let other = Store::memory().keyspace("other").unwrap();
        let mut batch = store.batch();
        batch.put(&mine, "k", "1");
        batch.put(&other, "k", "1");
        assert!(matches!(batch.commit(), Err(Error::Foreign(name)) if name == "other"));
        assert_eq!(mine.get(b"k").unwrap(), None);
    });
}

#[test]
fn a_store_opens_again_with_what_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let store = open(dir.path());
        let position = store.keyspace("position").unwrap();
        let rows = store.keyspace("rows").unwrap();
        assert_eq!(keys(rows.range(b"", None)).len(), round);
        let before = position.get(b"input").unwrap();
        assert_eq!(before, (round > 0).then(|| round.to_string().into_bytes()));
        let mut batch = store.batch();
        batch.put(&rows, format!("row {round}"), "x");
        batch.put(&position, "input", (round + 1).to_string());
        batch.commit().unwrap();
        if round == 1 {
            store.persist().unwrap();
        }
    }
}

#[test]
fn a_second_opener_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(dir.path());
    assert!(matches!(Store::open(dir.path(), CACHE_BYTES), Err(Error::Locked)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_sequence_of_batches_leaves_what_a_map_would(
        batches in prop::collection::vec(
            prop::collection::vec((0_u8..20, prop::option::of(any::<u8>())), 0..10),
            0..10,
        ),
        from in 0_u8..20,
        to in prop::option::of(0_u8..20),
    ) {
        on_both(|store| {
            let keyspace = store.keyspace("a").unwrap();
            let mut expect = BTreeMap::new();
            for changes in &batches {
                let mut batch = store.batch();
                for (key, value) in changes {
                    match value {
                        Some(value) => {
                            expect.insert(*key, *value);
                            batch.put(&keyspace, [*key], [*value]);
                        }
                        None => {
                            expect.remove(key);
                            batch.delete(&keyspace, [*key]);
                        }
                    }
                }
                batch.commit().unwrap();
            }
            let bound = to.map(|to| [to]);
            let found = keyspace.range(&[from], bound.as_ref().map(|to| &to[..]));
            let found: Vec<_> = found.map(|p| p.unwrap()).map(|(k, v)| (k[0], v[0])).collect();
            let inside = |key: u8| key >= from && to.is_none_or(|to| key < to);
            let expect: Vec<_> = expect.into_iter().filter(|(key, _)| inside(*key)).collect();
            assert_eq!(found, expect);
        });
    }
}
