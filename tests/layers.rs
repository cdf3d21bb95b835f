//! The crate map holds: a crate depends only on what its row allows, and reserved third parties stay
//! where they belong. The tables here and in ARCHITECTURE.md change together.
#![allow(clippy::unwrap_used, reason = "a failed look-up is a failed test")]

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

/// Crate, and the workspace crates it may depend on.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("eventlog", &["model"]),
    ("state", &["model"]),
    ("semantic", &["model"]),
    ("collector", &["model", "eventlog", "state", "semantic"]),
    ("identity", &["model", "state", "semantic"]),
    ("audiences", &["model", "state", "semantic"]),
    ("warehouse", &["model"]),
    ("pipeline", &["model", "eventlog", "state", "semantic", "identity", "audiences", "warehouse"]),
    ("engine", &["model", "semantic", "warehouse"]),
    ("delivery", &["model", "state"]),
    ("flight", &["model", "engine"]),
    ("graphql", &["model", "semantic", "engine", "identity", "audiences", "delivery"]),
    ("rest", &["model", "semantic", "engine", "identity", "audiences", "delivery"]),
    (
        "gateway",
        &[
            "model",
            "eventlog",
            "state",
            "semantic",
            "collector",
            "identity",
            "audiences",
            "warehouse",
            "pipeline",
            "engine",
            "delivery",
            "flight",
            "graphql",
            "rest",
        ],
    ),
    // In no other row: only tests may depend on it.
    ("testkit", &[]),
];

/// Third party, and the crates that may declare it.
const RESERVED: &[(&str, &[&str])] = &[
    ("datafusion", &["engine", "warehouse"]),
    ("deltalake", &["warehouse"]),
    ("axum", &["collector", "graphql", "rest", "gateway"]),
    ("tonic", &["flight", "gateway"]),
    ("arrow-flight", &["flight"]),
    ("async-graphql", &["graphql"]),
    ("fjall", &["state"]),
    ("reqwest", &["delivery", "gateway"]),
    ("sqlparser", &["semantic", "engine"]),
    ("anyhow", &["gateway"]),
    ("clap", &["gateway"]),
    // The tests' client.
    ("tokio-postgres", &[]),
];

/// Non-dev dependencies of every workspace crate, by name.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let needed = package["dependencies"].as_array().unwrap().iter();
            let needed = needed.filter(|d| d["kind"].as_str() != Some("dev")).map(|d| text(&d["name"]));
            (text(&package["name"]), needed.collect())
        })
        .collect()
}

#[test]
fn crates_depend_only_on_what_their_row_allows() {
    let layers: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let mut faults = Vec::new();
    for (name, needed) in dependencies() {
        let Some(allowed) = layers.get(name.as_str()) else {
            faults.push(format!("{name} has no row in the layer table"));
            continue;
        };
        let ours = needed.iter().filter(|d| layers.contains_key(d.as_str()));
        faults.extend(
            ours.filter(|d| !allowed.contains(&d.as_str())).map(|d| format!("{name} must not depend on {d}")),
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn third_parties_stay_where_they_belong() {
    let mut faults = Vec::new();
    for (name, needed) in dependencies() {
        for (third_party, crates) in RESERVED {
            if needed.iter().any(|d| d == third_party) && !crates.contains(&name.as_str()) {
                faults.push(format!("{name} must not declare {third_party}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_rank_never_depends_on_a_later_one() {
    let rank = |name: &str| LAYERS.iter().position(|(n, _)| *n == name).unwrap();
    for (name, allowed) in LAYERS {
        assert!(allowed.iter().all(|d| rank(d) < rank(name)), "{name} allows a crate of a later rank");
    }
}
