use std::collections::BTreeMap;

use async_graphql::{Name, Value, dynamic::ResolverContext};
use identity::{Current, Profile};
use model::ProfileId;

use super::{deps, parent_text};
use crate::{
    Deps, Error, input,
    value::{json, list, object, optional, text},
};

/// Unknown, removed and not visible are one answer: null.
pub(super) fn profile(ctx: &ResolverContext<'_>) -> Result<Value, Error> {
    let identifier = ctx.args.get("identifier").filter(|value| !value.is_null());
    let found = match (input::profile(&ctx.args, "id")?, identifier) {
        (Some(id), None) => Some(id),
        (None, Some(identifier)) => {
            let identifier = identifier.object().map_err(|_| one_of())?;
            let kind = input::text(&identifier, "type")?.ok_or_else(one_of)?;
            let value = input::text(&identifier, "value")?.ok_or_else(one_of)?;
            deps(ctx).identity.read().find(kind, value)
        }
        _ => return Err(one_of()),
    };
    Ok(found.and_then(|id| load(deps(ctx), id)).unwrap_or_default())
}

fn one_of() -> Error {
    Error::Invalid("give either 'id' or 'identifier' with 'type' and 'value'".into())
}

/// The profile an id stands for now.
pub(super) fn current(deps: &Deps, id: ProfileId) -> Option<ProfileId> {
    match deps.identity.read().current(id) {
        Current::Live(id) | Current::MovedTo(id) => Some(id),
        Current::Gone | Current::Unknown => None,
    }
}

pub(super) fn load(deps: &Deps, id: ProfileId) -> Option<Value> {
    let id = current(deps, id)?;
    let found = deps.identity.read().profile(id)?;
    Some(shown(&found))
}

fn shown(profile: &Profile) -> Value {
    let traits = profile.traits.iter().map(|(name, value)| (Name::new(name), json(&value.json)));
    object([
        ("id", text(profile.id)),
        ("traits", Value::Object(traits.collect())),
        ("identifiers", identifiers(&profile.identifiers)),
        ("records", profile.records.into()),
        ("firstSeen", text(profile.first_seen)),
        ("updatedAt", text(profile.updated_at)),
    ])
}

pub(super) fn identifiers(all: &BTreeMap<String, Vec<String>>) -> Value {
    let pairs = all.iter().flat_map(|(kind, values)| values.iter().map(move |value| (kind, value)));
    list(pairs.map(|(kind, value)| object([("type", kind.into()), ("value", value.into())])))
}

pub(super) fn audiences(ctx: &ResolverContext<'_>) -> Result<Value, Error> {
    let Ok(id) = parent_text(ctx, "id").parse::<ProfileId>() else { return Ok(list([])) };
    let memberships = deps(ctx).audiences.read().of_profile(id);
    Ok(list(memberships.into_iter().filter_map(|(name, member)| {
        Some(object([
            ("audience", super::audience::load(deps(ctx), name.as_str())?),
            ("since", text(member.entered_at)),
            ("leavesAt", optional(member.leaves_at)),
        ]))
    })))
}
