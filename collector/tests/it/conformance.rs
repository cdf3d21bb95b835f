//! Replays recorded SDK requests. What is expected is taken from the lines themselves.

use std::{
    collections::BTreeSet,
    io::Read,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use collector::Flavour;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::support::{Answer, World, request};

struct Line {
    name: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    note: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "the folder of the recordings is given from outside")]
async fn conformance_sdk_requests() {
    let given = std::env::var_os("ETALON_SHARED").map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let shared = root.join(given.clone().unwrap_or_else(|| "../shared".into()));
    let mut files = Vec::new();
    find(&shared.join("fixtures/sdk-requests"), &mut files);
    files.sort();
    if files.is_empty() {
        assert!(given.is_none(), "no recorded requests below {}", shared.display());
        println!("no recorded requests below {}: nothing to replay", shared.display());
        return;
    }
    let mut cases = 0;
    let mut failures = Vec::new();
    for file in files {
        replay(&file, &mut cases, &mut failures).await;
    }
    println!("{cases} cases, {} failed", failures.len());
    failures.iter().for_each(|failure| println!("FAILED {failure}"));
    assert!(failures.is_empty(), "{failures:#?}");
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|e| e == "jsonl") {
            files.push(path);
        }
    }
}

fn read(file: &Path) -> Vec<Line> {
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(file).unwrap();
    let parse = |(number, line): (usize, &str)| {
        let value: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let headers = value["headers"].as_object().into_iter().flatten();
        Line {
            name: format!("{name}:{} {} {}", number + 1, text("method"), text("path")),
            method: text("method"),
            path: text("path"),
            headers: headers.map(|(n, v)| (n.clone(), v.as_str().unwrap_or_default().to_owned())).collect(),
            body: STANDARD.decode(text("body_base64")).unwrap(),
            note: text("note"),
        }
    };
    text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()).map(parse).collect()
}

async fn replay(file: &Path, cases: &mut usize, failures: &mut Vec<String>) {
    let rudder = file.file_name().unwrap().to_string_lossy().starts_with("rudder");
    let flavour = if rudder { Flavour::RudderStack } else { Flavour::Segment };
    let mut world = World::new(flavour).await;
    let mut expected: BTreeSet<String> = BTreeSet::new();
    let mut connection = TcpStream::connect(("127.0.0.1", world.port)).await.unwrap();
    for line in read(file) {
        let sends = if line.note.contains("twice") { 2 } else { 1 };
        for _ in 0..sends {
            *cases += 1;
            let answer = send(&mut connection, &line).await;
            let result = match line.method.as_str() {
                "OPTIONS" => check_preflight(&line, &answer),
                "GET" => check_configuration(&line, &answer),
                _ => check_events(&line, &answer, &mut expected, flavour),
            };
            failures.extend(result.err().map(|why| format!("{}: {why}", line.name)));
        }
        if line.method == "POST" {
            // Killed after the answer, started again, the same line once more: nothing new is stored.
            *cases += 1;
            drop(connection);
            world = world.restart(flavour).await;
            connection = TcpStream::connect(("127.0.0.1", world.port)).await.unwrap();
            let again = send(&mut connection, &line).await;
            let result = check_events(&line, &again, &mut expected, flavour);
            failures.extend(result.err().map(|why| format!("{} after a restart: {why}", line.name)));
        }
        let stored = world.message_ids();
        let distinct: BTreeSet<String> = stored.iter().cloned().collect();
        if stored.len() != distinct.len() || distinct != expected {
            failures.push(format!("{}: stored {stored:?}, expected {expected:?}", line.name));
        }
    }
    *cases += 1;
    let letters = world.letters();
    if !letters.is_empty() {
        failures.push(format!("{}: {} items in quarantine: {letters:?}", file.display(), letters.len()));
    }
}

async fn send(connection: &mut TcpStream, line: &Line) -> Answer {
    let headers: Vec<(&str, &str)> = line.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    request(connection, &line.method, &line.path, &headers, &line.body).await
}

fn header<'l>(line: &'l Line, name: &str) -> Option<&'l str> {
    line.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

fn check_cors(line: &Line, answer: &Answer) -> Result<(), String> {
    let Some(origin) = header(line, "origin") else { return Ok(()) };
    ensure(answer.header("access-control-allow-origin") == origin, || "origin not mirrored".into())?;
    ensure(answer.header("access-control-allow-credentials") == "true", || "credentials not allowed".into())
}

fn check_preflight(line: &Line, answer: &Answer) -> Result<(), String> {
    ensure((200..300).contains(&answer.status), || format!("status {}", answer.status))?;
    check_cors(line, answer)?;
    let allowed = |list: &str, wanted: &str| {
        list.split(',').any(|item| item.trim().eq_ignore_ascii_case(wanted.trim()))
    };
    for name in header(line, "access-control-request-headers")
        .unwrap_or_default()
        .split(',')
        .filter(|n| !n.is_empty())
    {
        let list = answer.header("access-control-allow-headers");
        ensure(allowed(list, name), || format!("header {name} not in {list}"))?;
    }
    let method = header(line, "access-control-request-method").unwrap_or("POST");
    ensure(allowed(answer.header("access-control-allow-methods"), method), || {
        format!("method {method} not allowed")
    })
}

fn check_configuration(line: &Line, answer: &Answer) -> Result<(), String> {
    ensure(answer.status == 200, || format!("status {}", answer.status))?;
    check_cors(line, answer)?;
    ensure(answer.header("cache-control") == "public, max-age=300", || "caching".into())?;
    let document: Value = serde_json::from_slice(&answer.body).map_err(|e| e.to_string())?;
    let minimum = if line.path.contains("sourceConfig") {
        let source = &document["source"];
        !source["id"].is_null()
            && source["enabled"] == true
            && source["writeKey"] == "WK"
            && source["config"]["statsCollection"]["errors"]["enabled"] == false
            && source["config"]["statsCollection"]["metrics"]["enabled"] == false
            && source["destinations"].as_array().is_some()
    } else {
        document["integrations"].as_object().is_some_and(|i| i.len() == 1)
            && document["integrations"]["Segment.io"]["apiKey"] == "WK"
            && document["metrics"]["sampleRate"] == 0
    };
    ensure(minimum, || format!("not the minimum document: {document}"))
}

fn check_events(
    line: &Line,
    answer: &Answer,
    expected: &mut BTreeSet<String>,
    flavour: Flavour,
) -> Result<(), String> {
    let path = line.path.split('?').next().unwrap_or_default().trim_end_matches('/');
    let metrics = path.ends_with("/m") || path.ends_with("rsaMetrics");
    let sent = if metrics { Vec::new() } else { message_ids(line) };
    let items = sent.len();
    let fresh = sent.into_iter().filter(|id| expected.insert(id.clone())).count();
    ensure(answer.status == 200, || format!("status {} {}", answer.status, answer.text()))?;
    check_cors(line, answer)?;
    if metrics {
        return Ok(());
    }
    let body = if flavour == Flavour::Segment { r#"{"success":true}"# } else { "ok" };
    ensure(answer.text() == body, || format!("body {}", answer.text()))?;
    let result = format!("accepted={fresh} duplicate={} quarantined=0 suppressed=0", items - fresh);
    ensure(answer.header("etalon-result") == result, || {
        format!("{} instead of {result}", answer.header("etalon-result"))
    })
}

/// By pattern: some bodies are not strict JSON.
fn message_ids(line: &Line) -> Vec<String> {
    let mut text = line.body.clone();
    if text.starts_with(&[0x1f, 0x8b]) {
        text.clear();
        flate2::read::GzDecoder::new(&line.body[..]).read_to_end(&mut text).unwrap();
    }
    let text = String::from_utf8_lossy(&text);
    let after = |part: &str| {
        let value = part.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
        Some(value.split('"').next()?.to_owned())
    };
    text.split("\"messageId\"").skip(1).filter_map(after).collect()
}
