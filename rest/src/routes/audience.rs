use audiences::{Explanation, Member};
use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    response::Response,
};
use engine::{Audience, Cursor};
use model::json::quote;
use serde::Deserialize;

use super::{list as joined, optional, profile, shown, time};
use crate::{Deps, Error, router::Caller};

const DEFAULT_MEMBERS: usize = 100;
const MOST_MEMBERS: usize = 10_000;

pub(crate) async fn list(State(deps): State<Deps>, _: Caller) -> Result<Response, Error> {
    let catalog = deps.engine.catalog();
    let items = catalog.audiences.iter().map(|audience| written(&deps, audience));
    Ok(shown(format!(r#"{{"audiences":[{}]}}"#, joined(items))))
}

pub(crate) async fn one(
    State(deps): State<Deps>,
    _: Caller,
    Path(name): Path<String>,
) -> Result<Response, Error> {
    let catalog = deps.engine.catalog();
    let audience = catalog.audience(&name).ok_or_else(|| unknown(&name))?;
    Ok(shown(written(&deps, audience)))
}

pub(crate) fn unknown(name: &str) -> Error {
    Error::NotFound { what: "audience", name: name.to_owned() }
}

fn written(deps: &Deps, audience: &Audience) -> String {
    let name = audience.name.as_str();
    let members = deps.audiences.read();
    // The position is read before the members are, so that changes after it leave no gap.
    let as_of = Cursor::Change(deps.changes.head()).encode();
    format!(
        r#"{{"name":{},"label":{},"description":{},"version":{},"condition":{},"size":{},"as_of":"{as_of}"}}"#,
        quote(name),
        optional(audience.label.as_deref()),
        optional(audience.description.as_deref()),
        members.version(name).unwrap_or(1),
        quote(&engine::describe(&audience.condition)),
        members.size(name).unwrap_or(0),
    )
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    limit: Option<usize>,
    after: Option<String>,
}

pub(crate) async fn members(
    State(deps): State<Deps>,
    _: Caller,
    Path(name): Path<String>,
    query: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(Page { limit, after }) = query?;
    deps.engine.catalog().audience(&name).ok_or_else(|| unknown(&name))?;
    let limit = limit.unwrap_or(DEFAULT_MEMBERS);
    if limit == 0 || limit > MOST_MEMBERS {
        return Err(Error::Invalid(format!("'limit' is from 1 to {MOST_MEMBERS}")));
    }
    let after = after.as_deref().map(Cursor::member).transpose()?;
    let (mut page, as_of) = {
        let audiences = deps.audiences.read();
        let as_of = deps.changes.head();
        (audiences.members(&name, after, limit + 1), as_of)
    };
    let more = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| more).map(|member| Cursor::Member(member.profile).encode());
    let as_of = Cursor::Change(as_of).encode();
    let items = joined(page.iter().map(member));
    Ok(shown(format!(r#"{{"members":[{items}],"next":{},"as_of":"{as_of}"}}"#, optional(next.as_deref()))))
}

fn member(member: &Member) -> String {
    let (since, leaves) = (time(Some(member.entered_at)), time(member.leaves_at));
    format!(r#"{{"profile":"{}","since":{since},"leaves_at":{leaves}}}"#, member.profile)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Of {
    profile: String,
}

pub(crate) async fn explain(
    State(deps): State<Deps>,
    _: Caller,
    Path(name): Path<String>,
    query: Result<Query<Of>, QueryRejection>,
) -> Result<Response, Error> {
    let asked = query?.0.profile;
    deps.engine.catalog().audience(&name).ok_or_else(|| unknown(&name))?;
    let id = profile::current(&deps, profile::parse(&asked)?);
    let tree = id.and_then(|id| Some((id, deps.audiences.read().explain(&name, id, deps.clock.now())?)));
    let (id, tree) = tree.ok_or(Error::NotFound { what: "profile", name: asked })?;
    Ok(shown(format!(r#"{{"audience":{},"profile":"{id}","explanation":{}}}"#, quote(&name), told(&tree))))
}

fn told(tree: &Explanation) -> String {
    format!(
        r#"{{"text":{},"holds":{},"value":{},"until":{},"children":[{}]}}"#,
        quote(&tree.text),
        tree.holds,
        optional(tree.value.as_deref()),
        time(tree.until),
        joined(tree.children.iter().map(told)),
    )
}
