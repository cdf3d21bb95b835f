//! Prometheus text at `/metrics`.

use std::fmt::Write as _;

use axum::{Router, extract::State, http::header, response::IntoResponse, routing::get};

use super::Parts;

pub(super) fn router() -> Router<Parts> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(parts): State<Parts>) -> impl IntoResponse {
    let mut page = Page::default();
    collector(&mut page, &parts.collector.statistics());
    log(&mut page, &parts);
    pipeline(&mut page, &parts);
    webhooks(&mut page, &parts);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page.text)
}

fn collector(page: &mut Page, statistics: &collector::Statistics) {
    page.family("etalon_events_accepted_total", "counter", "Events on the log.");
    for source in &statistics.sources {
        page.labelled("etalon_events_accepted_total", &[("source", source.source.as_str())], source.accepted);
    }
    page.family("etalon_events_duplicate_total", "counter", "Events that were on the log already.");
    for source in &statistics.sources {
        page.labelled(
            "etalon_events_duplicate_total",
            &[("source", source.source.as_str())],
            source.duplicate,
        );
    }
    page.family("etalon_events_quarantined_total", "counter", "Items put on the dead letters.");
    for source in &statistics.sources {
        for (reason, count) in &source.quarantined {
            let labels = [("source", source.source.as_str()), ("reason", reason)];
            page.labelled("etalon_events_quarantined_total", &labels, *count);
        }
    }
    page.family("etalon_requests_rejected_total", "counter", "Requests refused, by code.");
    for (code, count) in &statistics.rejected {
        page.labelled("etalon_requests_rejected_total", &[("code", code)], *count);
    }
    page.counter("etalon_requests_total", "Requests answered with counts.", statistics.requests);
    page.counter("etalon_request_bytes_total", "Bytes of request bodies, inflated.", statistics.bytes);
    page.counter(
        "etalon_nonfinite_numbers_total",
        "NaN and infinities turned into null.",
        statistics.non_finite,
    );
    page.counter(
        "etalon_future_timestamps_total",
        "Event times clamped to their arrival.",
        statistics.future_timestamp,
    );
    page.gauge(
        "etalon_waiting_bytes",
        "Bytes of requests waiting for their commit.",
        statistics.waiting_bytes,
    );
    page.gauge(
        "etalon_dedup_keys",
        "Message ids remembered.",
        statistics.dedup.hot_keys + statistics.dedup.cold_keys,
    );
    latency(page, &statistics.latency);
}

fn latency(page: &mut Page, latency: &collector::Latency) {
    let name = "etalon_ack_seconds";
    page.family(name, "histogram", "Time from a read request to its answer.");
    let mut total = 0;
    for (bound, count) in &latency.buckets {
        total += count;
        let bound = if *bound == std::time::Duration::MAX {
            "+Inf".to_owned()
        } else {
            bound.as_secs_f64().to_string()
        };
        page.labelled("etalon_ack_seconds_bucket", &[("le", bound.as_str())], total);
    }
    page.line("etalon_ack_seconds_sum", latency.sum.as_secs_f64());
    page.line("etalon_ack_seconds_count", total);
}

fn log(page: &mut Page, parts: &Parts) {
    let statistics = parts.log.statistics();
    page.counter("etalon_log_syncs_total", "Completed syncs of the log.", statistics.syncs);
    page.counter("etalon_log_bytes_total", "Bytes of acknowledged records.", statistics.bytes);
    page.counter(
        "etalon_log_written_bytes_total",
        "Bytes written for them, compressed.",
        statistics.bytes_written,
    );
    page.counter("etalon_log_records_total", "Records acknowledged.", statistics.records);
    page.counter("etalon_log_full_total", "Commit groups refused for want of space.", statistics.full);
    page.counter("etalon_log_commits_total", "Commit groups written to the log.", statistics.commits);
    page.gauge("etalon_log_end_offset", "Next offset of the log.", eventlog::Log::end(&parts.log).0);
}

fn pipeline(page: &mut Page, parts: &Parts) {
    let statistics = parts.pipeline.statistics();
    let end = eventlog::Log::end(&parts.log).0;
    page.gauge("etalon_pipeline_offset", "Next offset the pipeline reads.", statistics.position.0);
    page.gauge(
        "etalon_pipeline_lag",
        "Records the pipeline is behind.",
        end.saturating_sub(statistics.position.0),
    );
    page.gauge(
        "etalon_warehouse_durable_offset",
        "Everything before it is in Delta files.",
        parts.warehouse.durable().0,
    );
    page.gauge("etalon_profiles", "Profiles.", parts.pipeline.identity.read().len() as u64);
    page.counter(
        "etalon_membership_changes_total",
        "Membership changes on the change log.",
        statistics.changes,
    );
    page.family("etalon_audience_size", "gauge", "Members of an audience.");
    let catalog = parts.engine.catalog();
    let audiences = parts.pipeline.audiences.read();
    for audience in &catalog.audiences {
        let name = audience.name.as_str();
        page.labelled("etalon_audience_size", &[("audience", name)], audiences.size(name).unwrap_or(0));
    }
}

fn webhooks(page: &mut Page, parts: &Parts) {
    let status = parts.webhooks.status();
    page.family("etalon_webhook_behind", "gauge", "Changes after an endpoint's cursor.");
    for endpoint in &status {
        page.labelled("etalon_webhook_behind", &[("endpoint", endpoint.name.as_str())], endpoint.behind);
    }
    page.family("etalon_webhook_waiting", "gauge", "Changes that wait for a retry.");
    for endpoint in &status {
        page.labelled("etalon_webhook_waiting", &[("endpoint", endpoint.name.as_str())], endpoint.waiting);
    }
    page.family("etalon_webhook_dead", "gauge", "Changes whose retries are used up.");
    for endpoint in &status {
        page.labelled("etalon_webhook_dead", &[("endpoint", endpoint.name.as_str())], endpoint.dead);
    }
}

/// The text exposition format. Writing to a String cannot fail.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.line(name, value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "gauge", help);
        self.line(name, value);
    }

    fn line(&mut self, name: &str, value: impl std::fmt::Display) {
        _ = writeln!(self.text, "{name} {value}");
    }

    fn labelled(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let escape = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escape(value))).collect();
        _ = writeln!(self.text, "{name}{{{}}} {value}", labels.join(","));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        let mut page = Page::default();
        page.labelled("x_total", &[("source", "a\"b\\c")], 3);
        assert_eq!(page.text, "x_total{source=\"a\\\"b\\\\c\"} 3\n");
    }
}
