use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request},
    http::{Method, header, request::Parts},
    response::Response,
};
use bytes::Bytes;
use eventlog::Log;
use model::{EventType, NewRecord, RecordKind, Timestamp, json::Json};

use crate::{
    answer,
    answer::{Rejection, Tally},
    body,
    collector::Inner,
    configs,
    envelope::{Broken, Envelope},
    judge::{Call, Judged, judge, letter},
    peer, pixel,
    query::field,
    reason::{Reason, Refusal},
    route::Route,
    source::{Source, basic_key},
    statistics::Notes,
    webhook,
};

/// Bytes kept of a request that could not be separated into events.
const KEPT_OF_BROKEN: usize = 64 << 10;

/// Answers any request of the tracking protocols.
pub(crate) async fn serve<L: Log>(inner: Arc<Inner<L>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (mut response, source) = if parts.method == Method::OPTIONS {
        (answer::preflight(&parts.headers), None)
    } else {
        dispatch(&inner, &parts, body).await
    };
    let origin = parts.headers.get(header::ORIGIN);
    answer::allow_origin(&mut response, origin, source.as_deref());
    response
}

type Answered = (Response, Option<Arc<Source>>);

async fn dispatch<L: Log>(inner: &Arc<Inner<L>>, parts: &Parts, body: Body) -> Answered {
    let post = parts.method == Method::POST;
    let get = parts.method == Method::GET;
    let form = match Route::of(parts.uri.path(), &inner.options.path_prefixes) {
        Route::Single(event_type) if post => Form::Single(event_type),
        Route::Batch { import } if post => Form::Batch { import },
        Route::Webhook { .. } if post || get => Form::Webhook,
        Route::Pixel(event_type) if get => return receive_pixel(inner, parts, event_type).await,
        Route::SelfMetrics if post => {
            // Read, so that the connection can be used again.
            let _ = body::read(body, inner.options.max_request_bytes, inner.options.body_timeout).await;
            inner.counters.self_metrics();
            return (answer::nothing_to_do(), None);
        }
        Route::Settings { key } if get => return configuration(inner, Some(&key), configs::settings),
        Route::SourceConfig if get => {
            let query = parts.uri.query().unwrap_or_default();
            let key = field(query, "writeKey").map(|k| k.into_owned()).or_else(|| header_key(parts));
            return configuration(inner, key.as_deref(), configs::source_config);
        }
        _ => return (refuse(inner, Rejection::NotFound), None),
    };
    receive(inner, parts, body, form).await
}

/// A configuration document; an unknown key is 404.
fn configuration<L: Log>(inner: &Inner<L>, key: Option<&str>, write: fn(&Source) -> String) -> Answered {
    match key.and_then(|key| inner.sources.find(key)) {
        Some(source) => (answer::configuration(write(source)), Some(Arc::clone(source))),
        None => (refuse(inner, Rejection::NotFound), None),
    }
}

fn refuse<L: Log>(inner: &Inner<L>, rejection: Rejection) -> Response {
    inner.counters.rejected(rejection);
    rejection.response()
}

/// How a body holds its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Single(EventType),
    Batch { import: bool },
    Webhook,
}

async fn receive<L: Log>(inner: &Arc<Inner<L>>, parts: &Parts, body: Body, form: Form) -> Answered {
    let options = &inner.options;
    let body = match body::read(body, options.max_request_bytes, options.body_timeout).await {
        Ok(body) => body,
        Err(rejection) => return (refuse(inner, rejection), None),
    };
    let started = inner.clock.monotonic();
    let mut source = None;
    let result = accept(inner, parts, body, form, &mut source).await;
    let response = match (result, &source) {
        (Ok((tally, bytes)), Some(source)) => {
            inner.counters.answered(bytes, inner.clock.monotonic().saturating_sub(started));
            answer::success(source.flavour, tally)
        }
        (Err(rejection), _) => refuse(inner, rejection),
        (Ok(_), None) => refuse(inner, Rejection::MissingWriteKey),
    };
    (response, source)
}

/// One request: bytes, source, items, commit.
async fn accept<L: Log>(
    inner: &Arc<Inner<L>>,
    parts: &Parts,
    body: Bytes,
    form: Form,
    found: &mut Option<Arc<Source>>,
) -> Result<(Tally, usize), Rejection> {
    let received = inner.clock.now();
    let head = Head::read(inner, parts, received);
    let outer_key = outer_key(parts, form);
    let encoding = parts.headers.get(header::CONTENT_ENCODING).and_then(|v| v.to_str().ok());
    let opened = match body::inflate(body.clone(), encoding, inner.options.max_request_bytes) {
        Err(Rejection::BadGzip) => Err(Broken::BadGzip),
        Err(rejection) => return Err(rejection),
        Ok(inflated) => Ok(inflated),
    };
    let bytes = opened.as_ref().map_or(body.len(), Bytes::len);
    let mapped = match (&opened, form) {
        (Ok(body), Form::Webhook) => {
            let query = parts.uri.query().unwrap_or_default();
            webhook::events(&parts.headers, content_type(parts), query, body, received)
        }
        _ => Vec::new(),
    };
    let envelope = opened.as_ref().map_err(|b| *b).and_then(|body| match form {
        Form::Single(_) => Envelope::of_single(body),
        Form::Batch { .. } => Envelope::of_batch(body),
        Form::Webhook => {
            Ok(Envelope { items: mapped.iter().map(Vec::as_slice).collect(), ..Envelope::default() })
        }
    });
    let inner_key = || envelope.as_ref().ok().and_then(Envelope::find_key);
    let key = outer_key.or_else(inner_key).or_else(|| header_text(parts, "x-write-key").map(str::to_owned));
    let source = found.insert(find_source(inner, key.as_deref())?);
    let judged = match envelope {
        Ok(envelope) => head.judge_all(inner, source, envelope, form),
        Err(broken) => Err(broken),
    };
    match judged {
        Ok(judged) => Ok((inner.commit(source, judged).await?, bytes)),
        Err(broken) => {
            let kept = opened.as_ref().unwrap_or(&body);
            let entry = head.broken(inner, source, &kept[..kept.len().min(KEPT_OF_BROKEN)], broken);
            inner.commit(source, vec![entry]).await?;
            Err(broken.rejection())
        }
    }
}

/// A pixel is answered with its image whatever happens.
async fn receive_pixel<L: Log>(inner: &Arc<Inner<L>>, parts: &Parts, event_type: EventType) -> Answered {
    let received = inner.clock.now();
    let query = parts.uri.query().unwrap_or_default();
    let mut source = None;
    if let Some(event) = pixel::event(query, received) {
        let result = accept(inner, parts, event.into(), Form::Single(event_type), &mut source).await;
        if let Err(rejection) = result {
            inner.counters.rejected(rejection);
        }
    } else {
        inner.counters.rejected(Rejection::InvalidJson);
    }
    (answer::pixel(), source)
}

/// What the head of a request says.
struct Head {
    received: Timestamp,
    sender: Option<IpAddr>,
    browser: bool,
    request_id: String,
}

impl Head {
    fn read<L: Log>(inner: &Inner<L>, parts: &Parts, received: Timestamp) -> Self {
        static SEQUENCE: AtomicU64 = AtomicU64::new(0);
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let forwarded = parts.headers.get_all("x-forwarded-for");
        let hops: Vec<&str> = forwarded.iter().filter_map(|h| h.to_str().ok()).collect();
        let given = header_text(parts, "x-request-id").filter(|id| id.len() <= 128);
        Self {
            received,
            sender: peer::sender(peer, hops.into_iter(), &inner.options.trusted_proxies),
            browser: parts.headers.contains_key(header::ORIGIN),
            request_id: given.map_or_else(
                || format!("{:x}-{:x}", received.as_micros(), SEQUENCE.fetch_add(1, Relaxed)),
                str::to_owned,
            ),
        }
    }

    fn judge_all<L: Log>(
        &self,
        inner: &Inner<L>,
        source: &Source,
        envelope: Envelope<'_>,
        form: Form,
    ) -> Result<Vec<Judged>, Broken> {
        let catalog = Arc::clone(&inner.catalog.borrow());
        let call = Call {
            plan: &catalog.tracking_plan,
            path_type: if let Form::Single(event_type) = form { Some(event_type) } else { None },
            import: form == Form::Batch { import: true },
            webhook: form == Form::Webhook,
            sent: envelope.sent_at,
            context: envelope.context,
            integrations: envelope.integrations,
            ..self.call(inner, source, &catalog.tracking_plan)
        };
        let mut notes = Notes::default();
        let mut judged: Vec<Judged> =
            (0..).zip(&envelope.items).map(|(index, raw)| judge(raw, index, &call, &mut notes)).collect();
        let unreadable = |j: &Judged| j.refused.as_ref().is_some_and(|r| r.reason == Reason::Unparsable);
        if matches!(form, Form::Single(_)) && judged.len() == 1 && unreadable(&judged[0]) {
            return Err(Broken::InvalidJson);
        }
        if call.webhook {
            for ((index, item), raw) in (0..).zip(&mut judged).zip(&envelope.items) {
                notes.webhook_without_key += u32::from(item.fingerprint.is_none());
                mark_conflict(inner, item, raw, index, &call);
            }
        }
        inner.counters.noticed(notes);
        Ok(judged)
    }

    fn call<'a, L: Log>(
        &'a self,
        inner: &'a Inner<L>,
        source: &'a Source,
        plan: &'a semantic::TrackingPlan,
    ) -> Call<'a> {
        Call {
            source,
            sources: &inner.sources,
            plan,
            options: &inner.options,
            path_type: None,
            import: false,
            webhook: false,
            received: self.received,
            sent: None,
            sender: self.sender,
            browser: self.browser,
            request_id: &self.request_id,
            context: None,
            integrations: None,
            replayed_from: None,
        }
    }

    /// The dead letter of a request that could not be separated into events.
    fn broken<L: Log>(&self, inner: &Inner<L>, source: &Source, raw: &[u8], broken: Broken) -> Judged {
        let catalog = Arc::clone(&inner.catalog.borrow());
        let call = self.call(inner, source, &catalog.tracking_plan);
        let message = "the request could not be separated into events; its first bytes are kept";
        let refusal = Refusal::new(broken.reason(), "", message);
        dead(raw, 0, &call, refusal, &Json::Null)
    }
}

fn dead(raw: &[u8], index: u32, call: &Call<'_>, refusal: Refusal, value: &Json<'_>) -> Judged {
    let letter = letter(raw, index, call, &refusal, value);
    let record = NewRecord { kind: RecordKind::DeadLetter, payload: letter.encode() };
    Judged { record, fingerprint: None, content: None, refused: Some(refusal) }
}

/// The same idempotency key with another body is not a repeated delivery: the second body is kept aside.
fn mark_conflict<L: Log>(inner: &Inner<L>, item: &mut Judged, raw: &[u8], index: u32, call: &Call<'_>) {
    let (Some(key), Some(content)) = (item.fingerprint, item.content) else { return };
    let known = |key| inner.dedup.knows(key).unwrap_or(false);
    if known(key) && !known(content) {
        let value = Json::parse(raw).map_or(Json::Null, |parsed| parsed.value);
        let message = "the idempotency key was used before with another body";
        let refusal = Refusal::new(Reason::IdempotencyConflict, "/messageId", message);
        *item = dead(raw, index, call, refusal, &value);
    }
}

fn find_source<L: Log>(inner: &Inner<L>, key: Option<&str>) -> Result<Arc<Source>, Rejection> {
    let source = inner.sources.find(key.ok_or(Rejection::MissingWriteKey)?);
    let source = source.ok_or(Rejection::InvalidWriteKey)?;
    if source.enabled { Ok(Arc::clone(source)) } else { Err(Rejection::SourceDisabled) }
}

/// The key outside the body: Basic credentials, then the query; for webhooks the query first.
fn outer_key(parts: &Parts, form: Form) -> Option<String> {
    let query = parts.uri.query().unwrap_or_default();
    let of_query = || {
        let key = field(query, "writeKey").or_else(|| field(query, "writekey"));
        key.map(|key| key.into_owned())
    };
    match form {
        Form::Webhook => of_query().or_else(|| header_key(parts)),
        _ => header_key(parts).or_else(of_query),
    }
}

fn header_key(parts: &Parts) -> Option<String> {
    basic_key(header_text(parts, "authorization")?)
}

fn header_text<'p>(parts: &'p Parts, name: &str) -> Option<&'p str> {
    parts.headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty())
}

fn content_type(parts: &Parts) -> &str {
    header_text(parts, "content-type").unwrap_or_default()
}
