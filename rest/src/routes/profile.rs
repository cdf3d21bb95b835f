//! Point lookups, from memory.

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    response::Response,
};
use identity::{Current, Profile};
use model::{ProfileId, json::quote};
use serde::Deserialize;

use super::{list, shown, time};
use crate::{Deps, Error, router::Caller};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Include {
    include: Option<String>,
}

impl Include {
    fn audiences(&self) -> Result<bool, Error> {
        match self.include.as_deref() {
            None | Some("") => Ok(false),
            Some("audiences") => Ok(true),
            Some(other) => Err(Error::Invalid(format!("'include' can be 'audiences', not '{other}'"))),
        }
    }
}

pub(crate) async fn by_id(
    State(deps): State<Deps>,
    _: Caller,
    Path(id): Path<String>,
    query: Result<Query<Include>, QueryRejection>,
) -> Result<Response, Error> {
    let with_audiences = query?.0.audiences()?;
    let found = current(&deps, parse(&id)?).and_then(|id| show(&deps, id, with_audiences));
    found.ok_or(Error::NotFound { what: "profile", name: id })
}

pub(crate) async fn by_identifier(
    State(deps): State<Deps>,
    _: Caller,
    Path((kind, value)): Path<(String, String)>,
    query: Result<Query<Include>, QueryRejection>,
) -> Result<Response, Error> {
    let with_audiences = query?.0.audiences()?;
    let id = deps.identity.read().find(&kind, &value);
    let found = id.and_then(|id| show(&deps, id, with_audiences));
    found.ok_or_else(|| Error::NotFound { what: "profile", name: format!("{kind}/{value}") })
}

pub(crate) fn parse(id: &str) -> Result<ProfileId, Error> {
    id.parse().map_err(|error| Error::Invalid(format!("'{id}': {error}")))
}

/// The profile an id stands for now: merged ids lead to the one that holds them.
pub(crate) fn current(deps: &Deps, id: ProfileId) -> Option<ProfileId> {
    match deps.identity.read().current(id) {
        Current::Live(id) | Current::MovedTo(id) => Some(id),
        Current::Gone | Current::Unknown => None,
    }
}

fn show(deps: &Deps, id: ProfileId, with_audiences: bool) -> Option<Response> {
    let profile = deps.identity.read().profile(id)?;
    let audiences = if with_audiences { memberships(deps, id) } else { String::new() };
    Some(shown(written(&profile, &audiences)))
}

fn written(profile: &Profile, audiences: &str) -> String {
    // Traits are JSON text already.
    let traits = profile.traits.iter().map(|(name, value)| format!("{}:{}", quote(name), value.json));
    let identifiers = profile
        .identifiers
        .iter()
        .map(|(kind, values)| format!("{}:[{}]", quote(kind), list(values.iter().map(|value| quote(value)))));
    format!(
        r#"{{"id":"{id}","identifiers":{{{identifiers}}},"traits":{{{traits}}},"records":{records},"first_seen":"{first}","updated_at":"{updated}"{audiences}}}"#,
        id = profile.id,
        identifiers = list(identifiers),
        traits = list(traits),
        records = profile.records,
        first = profile.first_seen,
        updated = profile.updated_at,
    )
}

fn memberships(deps: &Deps, id: ProfileId) -> String {
    let memberships = deps.audiences.read().of_profile(id);
    let items = memberships.iter().map(|(name, member)| {
        let (since, leaves) = (time(Some(member.entered_at)), time(member.leaves_at));
        format!(r#"{{"name":{},"since":{since},"leaves_at":{leaves}}}"#, quote(name.as_str()))
    });
    format!(r#","audiences":[{}]"#, list(items))
}
