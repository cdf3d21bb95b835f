//! The commands that ask a running server: each is one or two REST calls and a table.

mod client;
mod table;

use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::cli::{Audience, DeadLetterFilter, DeadLetters, Format, Output, Profile, Query, Server, Webhooks};
use client::Client;

/// `etalon query`.
pub(crate) async fn query(query: Query) -> anyhow::Result<()> {
    let body = json!({
        "metrics": query.metrics,
        "group_by": query.group_by,
        "where": query.filters,
        "order_by": query.order_by,
        "limit": query.limit,
    });
    if query.explain {
        let compiled = Client::new(&query.server)?.post("/api/v1/compile", &body).await?;
        println!("{}", compiled["sql"].as_str().unwrap_or_default());
        return Ok(());
    }
    ask("/api/v1/query", &body, &query.output, &query.server).await
}

/// `etalon sql`.
pub(crate) async fn sql(statement: &str, output: &Output, server: &Server) -> anyhow::Result<()> {
    ask("/api/v1/sql", &json!({ "sql": statement }), output, server).await
}

async fn ask(path: &str, body: &Value, output: &Output, server: &Server) -> anyhow::Result<()> {
    let client = Client::new(server)?;
    let accept = match output.format {
        Format::Table => return client.post(path, body).await.map(|answer| table::print_answer(&answer)),
        Format::Json => "application/json",
        Format::Csv => "text/csv",
        Format::Arrow => "application/vnd.apache.arrow.stream",
    };
    let mut out = std::io::stdout().lock();
    if output.format == Format::Arrow && out.is_terminal() {
        anyhow::bail!("an Arrow stream is binary; send it to a file or a pipe");
    }
    let bytes = client.stream(path, body, accept).await?;
    out.write_all(&bytes).context("standard output")?;
    if output.format == Format::Json {
        out.write_all(b"\n").context("standard output")?;
    }
    Ok(())
}

/// `etalon audience ..`.
pub(crate) async fn audience(command: Audience) -> anyhow::Result<()> {
    match command {
        Audience::List { server } => {
            let answer = Client::new(&server)?.get("/api/v1/audiences").await?;
            let audiences = answer["audiences"].as_array().map(Vec::as_slice).unwrap_or_default();
            table::print(&["audience", "members", "condition"], audiences, &["name", "size", "condition"]);
        }
        Audience::Members { name, limit, server } => {
            let path = format!("/api/v1/audiences/{name}/members?limit={limit}");
            let answer = Client::new(&server)?.get(&path).await?;
            let members = answer["members"].as_array().map(Vec::as_slice).unwrap_or_default();
            table::print(&["profile", "since", "leaves at"], members, &["profile", "since", "leaves_at"]);
        }
        Audience::Explain { name, profile, server } => {
            let path = format!("/api/v1/audiences/{name}/explain?profile={profile}");
            let answer = Client::new(&server)?.get(&path).await?;
            table::print_tree(&answer["explanation"]);
        }
    }
    Ok(())
}

/// `etalon profile ..`.
pub(crate) async fn profile(command: Profile) -> anyhow::Result<()> {
    let Profile::Show { id, server } = command;
    let path = match id.split_once(':') {
        Some((identifier, value)) => format!("/api/v1/profiles/by/{identifier}/{value}?include=audiences"),
        None => format!("/api/v1/profiles/{id}?include=audiences"),
    };
    let answer = Client::new(&server)?.get(&path).await?;
    println!("{}", serde_json::to_string_pretty(&answer)?);
    Ok(())
}

/// `etalon dead-letters ..`.
pub(crate) async fn dead_letters(command: DeadLetters) -> anyhow::Result<()> {
    match command {
        DeadLetters::List { filter, server } => {
            let answer =
                Client::new(&server)?.post("/api/v1/dead-letters/list", &filter_body(&filter)).await?;
            let letters = answer["dead_letters"].as_array().map(Vec::as_slice).unwrap_or_default();
            table::print(
                &["id", "received at", "source", "reason", "event", "state", "message"],
                letters,
                &["id", "received_at", "source", "reason", "event", "state", "message"],
            );
        }
        DeadLetters::Replay { filter, dry_run, server } => {
            let mut body = filter_body(&filter);
            body["dry_run"] = dry_run.into();
            let answer = Client::new(&server)?.post("/api/v1/dead-letters/replay", &body).await?;
            println!(
                "accepted {}, duplicate {}, failed again {}{}",
                answer["accepted"],
                answer["duplicate"],
                answer["failed"],
                if dry_run { " (dry run: nothing was changed)" } else { "" }
            );
        }
        DeadLetters::Drop { filter, server } => {
            let answer =
                Client::new(&server)?.post("/api/v1/dead-letters/drop", &filter_body(&filter)).await?;
            println!("dropped {}", answer["dropped"]);
        }
    }
    Ok(())
}

fn filter_body(filter: &DeadLetterFilter) -> Value {
    json!({
        "source": filter.source,
        "reason": filter.reason,
        "event": filter.event,
        "since": filter.since,
    })
}

/// `etalon webhooks ..`.
pub(crate) async fn webhooks(command: Webhooks) -> anyhow::Result<()> {
    let Webhooks::List { server } = command;
    let answer = Client::new(&server)?.get("/api/v1/webhooks").await?;
    let endpoints = answer["webhooks"].as_array().map(Vec::as_slice).unwrap_or_default();
    table::print(
        &["endpoint", "state", "last delivery", "behind", "waiting", "dead"],
        endpoints,
        &["name", "state", "delivered_at", "behind", "waiting", "dead"],
    );
    Ok(())
}
