//! How long definitions take to load, and how much memory: a generated catalog in every form.
//! `cargo run --release -p semantic --example load_catalog [models] [metrics per model] [form]`.

use std::{fmt::Write as _, time::Duration};

use model::{Clock, SystemClock};
use semantic::{OssieFormat, SourceFile, export_ossie, load};

const FORMS: [&str; 4] = ["legacy", "latest", "manifest", "ossie"];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let models: usize = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let metrics: usize = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(10);
    let only = arguments.next();
    let clock = SystemClock::new();
    println!("{models} models, {} metrics", models * metrics);
    for form in FORMS.into_iter().filter(|form| only.as_ref().is_none_or(|only| only == form)) {
        let file = file(form, models, metrics);
        let bytes = file.text.len();
        let before = resident_bytes();
        let start = clock.now();
        let loaded = load(&[file], &|_| None);
        let took = clock.now().since(start);
        let after = peak_bytes();
        let catalog = match loaded.catalog {
            Some(catalog) => catalog,
            None => {
                let shown: Vec<String> = loaded.diagnostics.iter().take(5).map(ToString::to_string).collect();
                println!("{form}: refused\n{}", shown.join("\n"));
                continue;
            }
        };
        println!(
            "{form}: {:.1} MB of text, {} ms, {} metrics, {} warnings, memory {} MB above {} MB",
            bytes as f64 / 1e6,
            millis(took),
            catalog.metrics.len(),
            loaded.diagnostics.len(),
            after.saturating_sub(before) / 1_000_000,
            before / 1_000_000,
        );
    }
}

fn millis(took: Duration) -> u128 {
    took.as_millis()
}

fn file(form: &str, models: usize, metrics: usize) -> SourceFile {
    let (name, text) = match form {
        "legacy" => ("dbt.yml", legacy(models, metrics)),
        "latest" => ("dbt.yml", latest(models, metrics)),
        "manifest" => ("semantic_manifest.json", manifest(models, metrics)),
        _ => {
            let file = SourceFile { name: "dbt.yml".into(), text: legacy(models, metrics) };
            let catalog = load(&[file], &|_| None).catalog.expect("the generated definitions are right");
            ("ossie.json", export_ossie(&catalog, "generated", OssieFormat::Json))
        }
    };
    SourceFile { name: name.into(), text }
}

/// The models are in groups of ten: nine of them join the first one of their group.
fn group(m: usize) -> usize {
    m / 10 * 10
}

/// One of each kind: simple, ratio, derived, cumulative.
fn metric_kind(k: usize) -> &'static str {
    ["simple", "simple", "ratio", "derived", "cumulative"][k % 5]
}

fn legacy(models: usize, metrics: usize) -> String {
    let mut out = String::from("version: 2\nsemantic_models:\n");
    for m in 0..models {
        let _ = writeln!(
            out,
            "  - name: model_{m}\n    model: ref('table_{m}')\n    description: Rows of the table number {m}.\n    \
             defaults:\n      agg_time_dimension: created_at\n    entities:\n      - name: key_{m}\n        type: primary\n        \
             expr: id\n      - name: shared_{}\n        type: {}\n        expr: shared_id\n    dimensions:\n      \
             - name: created_at\n        type: time\n        type_params:\n          time_granularity: day\n      \
             - name: status_{m}\n        type: categorical\n        expr: status\n      - name: country_{m}\n        \
             type: categorical\n        expr: upper(country)\n    measures:",
            group(m),
            if group(m) == m { "unique" } else { "foreign" },
        );
        for k in 0..metrics {
            let _ = writeln!(
                out,
                "      - name: measure_{m}_{k}\n        agg: sum\n        expr: price_{k} * quantity"
            );
        }
    }
    out.push_str("metrics:\n");
    for m in 0..models {
        for k in 0..metrics {
            let kind = metric_kind(k);
            let params = match kind {
                "simple" => format!("\n      measure: measure_{m}_{k}"),
                "ratio" => format!("\n      numerator: metric_{m}_0\n      denominator: metric_{m}_1"),
                "derived" => format!(
                    "\n      expr: metric_{m}_0 - before\n      metrics:\n        - metric_{m}_0\n        - name: metric_{m}_0\n          alias: before\n          offset_window: 7 days"
                ),
                _ => format!(
                    "\n      measure: measure_{m}_0\n      cumulative_type_params:\n        grain_to_date: month"
                ),
            };
            let filter = if k % 5 == 1 {
                format!("\n    filter: \"{{{{ Dimension('key_{m}__status_{m}') }}}} = 'open'\"")
            } else {
                String::new()
            };
            let _ = writeln!(
                out,
                "  - name: metric_{m}_{k}\n    description: The metric number {k} of model {m}.\n    type: {kind}\n    type_params:{params}{filter}"
            );
        }
    }
    out.push_str(
        "models:\n  - name: days\n    time_spine: {standard_granularity_column: ds}\n    columns: [{name: ds, granularity: day}]\n",
    );
    out
}

fn latest(models: usize, metrics: usize) -> String {
    let mut out = String::from("models:\n");
    for m in 0..models {
        let _ = writeln!(
            out,
            "  - name: table_{m}\n    description: Rows of the table number {m}.\n    semantic_model:\n      enabled: true\n      \
             name: model_{m}\n    agg_time_dimension: created_at\n    columns:\n      - name: id\n        entity:\n          \
             type: primary\n          name: key_{m}\n      - name: shared_id\n        entity:\n          type: {}\n          \
             name: shared_{}\n      - name: created_at\n        dimension: time\n        granularity: day\n      - name: status\n        \
             dimension:\n          type: categorical\n          name: status_{m}\n    metrics:",
            if group(m) == m { "unique" } else { "foreign" },
            group(m),
        );
        for k in 0..metrics {
            let _ = writeln!(
                out,
                "      - name: metric_{m}_{k}\n        description: The metric number {k} of model {m}.\n        agg: sum\n        expr: price_{k} * quantity"
            );
        }
    }
    out
}

/// A second-generation manifest, on one line as dbt writes it.
fn manifest(models: usize, metrics: usize) -> String {
    let mut out = String::from("{\"semantic_models\": [");
    for m in 0..models {
        let _ = write!(
            out,
            "{}{{\"name\": \"model_{m}\", \"defaults\": null, \"description\": \"Rows of the table number {m}.\", \
             \"node_relation\": {{\"alias\": \"table_{m}\", \"schema_name\": \"s\", \"database\": null, \"relation_name\": \"\\\"s\\\".\\\"table_{m}\\\"\"}}, \
             \"primary_entity\": null, \"entities\": [{{\"name\": \"key_{m}\", \"type\": \"primary\", \"expr\": \"id\", \"role\": null, \"label\": null, \"config\": {{\"meta\": {{}}}}}}, \
             {{\"name\": \"shared_{}\", \"type\": \"{}\", \"expr\": \"shared_id\", \"role\": null, \"label\": null, \"config\": {{\"meta\": {{}}}}}}], \"measures\": [], \
             \"dimensions\": [{{\"name\": \"created_at\", \"type\": \"time\", \"is_partition\": false, \"type_params\": {{\"time_granularity\": \"day\", \"validity_params\": null}}, \"expr\": null}}, \
             {{\"name\": \"status_{m}\", \"type\": \"categorical\", \"is_partition\": false, \"type_params\": null, \"expr\": \"status\"}}], \"label\": null, \"config\": {{\"meta\": {{}}}}}}",
            if m > 0 { ", " } else { "" },
            group(m),
            if group(m) == m { "unique" } else { "foreign" },
        );
    }
    out.push_str("], \"metrics\": [");
    for m in 0..models {
        for k in 0..metrics {
            let _ = write!(
                out,
                "{}{{\"name\": \"metric_{m}_{k}\", \"description\": \"The metric number {k} of model {m}.\", \"type\": \"simple\", \"type_params\": {{\"measure\": null, \
                 \"numerator\": null, \"denominator\": null, \"expr\": \"price_{k} * quantity\", \"window\": null, \"grain_to_date\": null, \"metrics\": [], \"conversion_type_params\": null, \
                 \"cumulative_type_params\": null, \"input_measures\": [], \"metric_aggregation_params\": {{\"semantic_model\": \"model_{m}\", \"agg\": \"sum\", \"agg_params\": null, \
                 \"agg_time_dimension\": \"created_at\", \"non_additive_dimension\": null}}, \"join_to_timespine\": false, \"fill_nulls_with\": null, \"is_private\": false}}, \
                 \"filter\": null, \"metadata\": null, \"label\": null, \"config\": {{\"meta\": {{}}}}, \"time_granularity\": null}}",
                if m + k > 0 { ", " } else { "" },
            );
        }
    }
    out.push_str("], \"saved_queries\": [], \"project_configuration\": {\"time_spines\": []}}");
    out
}

/// Memory in use now, as Linux counts it.
fn resident_bytes() -> u64 {
    status("VmRSS:")
}

/// The most memory that was in use.
fn peak_bytes() -> u64 {
    status("VmHWM:")
}

fn status(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kilobytes = line.and_then(|l| l.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
