//! The public corpus of metric queries with expected rows. It is not part of this repository:
//! `ETALON_SHARED` names the folder that holds `conformance/metricflow`.

use std::{collections::BTreeSet, path::PathBuf};

use crate::corpus::{Form, Suite};

/// All forms say the same. The 2026 YAML has no approximate discrete percentile.
const FORMS: &[Form] = &[
    Form { file: "semantic_manifest.json", lacks: &[] },
    Form { file: "semantic_manifest.simple_metrics.json", lacks: &[] },
    Form { file: "dbt.yml", lacks: &[] },
    Form { file: "dbt_latest.yml", lacks: &["approximate_discrete_booking_value_p99"] },
];

/// `ref('x')` is a table of the warehouse; the manifests name the schema.
const SCHEMAS: &[&str] = &["mf_corpus", "warehouse"];

#[tokio::test(flavor = "multi_thread")]
async fn conformance_metricflow() {
    #[expect(clippy::disallowed_methods, reason = "the corpus lies where the caller says")]
    let named = std::env::var("ETALON_SHARED").ok();
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared"));
    let folder = named.as_ref().map_or_else(beside, PathBuf::from).join("conformance/metricflow");
    if !folder.join("cases").is_dir() {
        assert!(named.is_none(), "ETALON_SHARED is set, and there are no cases in {}", folder.display());
        println!("conformance_metricflow was not run: there is no {}", folder.display());
        return;
    }
    let suite = Suite::read(&folder, FORMS, SCHEMAS);
    assert!(!suite.cases.is_empty(), "no cases in {}", folder.display());
    let failures = suite.run().await;
    let failed: BTreeSet<&str> = failures.iter().map(|f| f.case.as_str()).collect();
    println!("{} cases, {} failed", suite.cases.len(), failed.len());
    for failure in &failures {
        println!("{failure}");
    }
    assert!(failures.is_empty(), "{} of {} cases failed", failed.len(), suite.cases.len());
}
