use std::{error::Error as _, sync::Arc, time::Duration};

use model::{Clock, Timestamp};
use reqwest::{
    Response, StatusCode, Url,
    header::{CONTENT_TYPE, RETRY_AFTER},
    redirect,
};
use tokio::sync::Semaphore;

use crate::{
    Endpoint, Error, Options,
    address::{Blocked, Policy},
    request::Request,
    schedule::Wish,
    signature::Signer,
};

/// An answer is read up to here, so that a connection can be used again, and no further.
const READ: usize = 64 * 1024;
/// This much of it is kept for people.
const KEPT: usize = 16 * 1024;
/// A connection refused sooner than this is tried once more at once.
const QUICK: Duration = Duration::from_secs(1);

/// Posts requests to one endpoint.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: Url,
    signer: Signer,
    /// Requests in flight to the same host, over all endpoints.
    host: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
}

/// What came of an attempt.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) started: Timestamp,
    pub(crate) latency: Duration,
    pub(crate) status: Option<u16>,
    /// Why there is no status, or why it is a failure.
    pub(crate) error: Option<String>,
    pub(crate) wish: Wish,
    pub(crate) answer: Vec<u8>,
}

impl Outcome {
    pub(crate) fn is_success(&self) -> bool {
        self.error.is_none()
    }
}

/// The URL of an endpoint.
pub(crate) fn parse_url(endpoint: &Endpoint) -> Result<Url, Error> {
    endpoint.url.parse().map_err(|_| Error::endpoint(&endpoint.name, "its URL cannot be read"))
}

impl Client {
    pub(crate) fn new(
        endpoint: &Endpoint,
        options: &Options,
        host: Arc<Semaphore>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let refuse = |reason| Error::endpoint(&endpoint.name, reason);
        let url = parse_url(endpoint)?;
        let policy = Policy::for_url(&url, &options.allow_networks).map_err(refuse)?;
        let signer = Signer::new(&endpoint.secrets).map_err(refuse)?;
        let http = reqwest::Client::builder()
            .dns_resolver(Arc::new(policy))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(options.timeout)
            .user_agent(concat!("etalon/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(Error::Client)?;
        Ok(Self { http, url, signer, host, clock })
    }

    /// One attempt.
    pub(crate) async fn post(&self, request: &Request) -> Outcome {
        let _permit = self.host.acquire().await;
        let started = self.clock.now();
        let before = self.clock.monotonic();
        let mut answer = self.send(request, started).await;
        let elapsed = self.clock.monotonic().saturating_sub(before);
        if matches!(&answer, Err(error) if error.is_connect() && !is_blocked(error)) && elapsed < QUICK {
            answer = self.send(request, started).await;
        }
        let mut outcome = match answer {
            Ok(response) => read(response, started).await,
            Err(error) => refused(&error),
        };
        outcome.started = started;
        outcome.latency = self.clock.monotonic().saturating_sub(before);
        outcome
    }

    async fn send(&self, request: &Request, now: Timestamp) -> Result<Response, reqwest::Error> {
        let seconds = now.as_micros().div_euclid(1_000_000);
        self.http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &request.id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", self.signer.sign(&request.id, seconds, &request.body))
            .body(request.body.clone())
            .send()
            .await
    }
}

async fn read(mut response: Response, now: Timestamp) -> Outcome {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let wish = Wish {
        overloaded: matches!(status.as_u16(), 429 | 502 | 503 | 504),
        retry_after: retry_after.and_then(|value| parse_retry_after(value, now)),
    };
    let mut answer = Vec::new();
    let mut left = READ;
    // The status decides; an answer that breaks off or drips does not change it.
    while left > 0 {
        let Ok(Some(chunk)) = response.chunk().await else { break };
        answer.extend_from_slice(&chunk[..chunk.len().min(KEPT - answer.len())]);
        left = left.saturating_sub(chunk.len());
    }
    Outcome {
        status: Some(status.as_u16()),
        error: (!status.is_success()).then(|| failure_text(status)),
        wish,
        answer,
        ..Outcome::default()
    }
}

fn failure_text(status: StatusCode) -> String {
    let note = if status.is_redirection() { " (redirects are not followed)" } else { "" };
    format!("answered {}{note}", status.as_u16())
}

fn refused(error: &reqwest::Error) -> Outcome {
    let text = if is_blocked(error) {
        "the address is not allowed".to_owned()
    } else if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else {
        "the connection broke".to_owned()
    };
    let wish = Wish { overloaded: error.is_timeout(), retry_after: None };
    Outcome { error: Some(text), wish, ..Outcome::default() }
}

fn is_blocked(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.is::<Blocked>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// Seconds, or an HTTP date (`Sun, 06 Nov 1994 08:49:37 GMT`).
fn parse_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let mut parts = text.split_ascii_whitespace().skip(1);
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|name| *name == month)? + 1;
    Some(Timestamp::parse(&format!("{year}-{month:02}-{day}T{time}Z"))?.since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::parse("2026-03-02T09:00:00Z").unwrap();
        for (text, expect) in [
            ("120", Some(120)),
            ("Mon, 02 Mar 2026 09:01:30 GMT", Some(90)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(parse_retry_after(text, now).map(|d| d.as_secs()), expect, "{text}");
        }
    }
}
