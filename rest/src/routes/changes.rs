//! The pull form of the change log: what is there, or a wait for what comes.

use std::time::Duration;

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    response::Response,
};
use engine::Cursor;
use model::MembershipChange;
use serde::Deserialize;

use super::{audience::unknown, list, shown};
use crate::{
    Deps, Error,
    router::{Caller, LONGEST_WAIT},
};

const MOST: usize = 10_000;
const DEFAULT: usize = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pull {
    /// Absent: from the start of the log.
    after: Option<String>,
    limit: Option<usize>,
    /// Seconds to wait when there are none; 30 if not given.
    wait: Option<u64>,
}

pub(crate) async fn of_all(
    State(deps): State<Deps>,
    _: Caller,
    query: Result<Query<Pull>, QueryRejection>,
) -> Result<Response, Error> {
    pull(&deps, None, query?.0).await
}

pub(crate) async fn of_one(
    State(deps): State<Deps>,
    _: Caller,
    Path(name): Path<String>,
    query: Result<Query<Pull>, QueryRejection>,
) -> Result<Response, Error> {
    deps.engine.catalog().audience(&name).ok_or_else(|| unknown(&name))?;
    pull(&deps, Some(&name), query?.0).await
}

async fn pull(deps: &Deps, audience: Option<&str>, pull: Pull) -> Result<Response, Error> {
    let limit = pull.limit.unwrap_or(DEFAULT);
    if limit == 0 || limit > MOST {
        return Err(Error::Invalid(format!("'limit' is from 1 to {MOST}")));
    }
    let mut cursor = pull.after.as_deref().map(Cursor::change).transpose()?.unwrap_or(0);
    let wait = pull.wait.map_or(LONGEST_WAIT, Duration::from_secs).min(LONGEST_WAIT);
    let deadline = tokio::time::sleep(wait);
    tokio::pin!(deadline);
    let mut head = deps.changes.watch();
    loop {
        head.mark_unchanged();
        let found = read(deps, audience, &mut cursor, limit)?;
        if !found.is_empty() {
            return Ok(answer(&found, cursor));
        }
        tokio::select! {
            () = &mut deadline => return Ok(answer(&found, cursor)),
            changed = head.changed() => if changed.is_err() {
                return Ok(answer(&found, cursor));
            },
        }
    }
}

/// Reads on until something fits or the log ends; the cursor passes what does not fit, too.
fn read(
    deps: &Deps,
    audience: Option<&str>,
    cursor: &mut u64,
    limit: usize,
) -> Result<Vec<MembershipChange>, Error> {
    let mut found = Vec::new();
    while found.is_empty() {
        let batch = deps.changes.read(*cursor, limit)?;
        let Some(last) = batch.last() else { break };
        *cursor = last.seq;
        let fits = |change: &MembershipChange| audience.is_none_or(|name| change.audience.as_str() == name);
        found.extend(batch.into_iter().filter(fits));
    }
    Ok(found)
}

fn answer(found: &[MembershipChange], cursor: u64) -> Response {
    let next = Cursor::Change(cursor).encode();
    shown(format!(r#"{{"changes":[{}],"next":"{next}"}}"#, list(found.iter().map(MembershipChange::to_json))))
}
