use async_graphql::{Value, dynamic::ResolverContext};
use audiences::{Explanation, Member};
use engine::{Audience, Cursor};
use model::ProfileId;

use super::{deps, parent_text, profile};
use crate::{
    Deps, Error, input,
    value::{list, object, optional, page_info, text},
};

const MOST: usize = 1_000;

pub(super) fn audiences(ctx: &ResolverContext<'_>) -> Result<Value, Error> {
    let catalog = deps(ctx).engine.catalog();
    Ok(list(catalog.audiences.iter().map(|audience| shown(deps(ctx), audience))))
}

pub(super) fn audience(ctx: &ResolverContext<'_>) -> Result<Value, Error> {
    let name = input::text(&ctx.args, "name")?.unwrap_or_default();
    Ok(load(deps(ctx), name).unwrap_or_default())
}

pub(super) fn load(deps: &Deps, name: &str) -> Option<Value> {
    deps.engine.catalog().audience(name).map(|audience| shown(deps, audience))
}

fn shown(deps: &Deps, audience: &Audience) -> Value {
    let name = audience.name.as_str();
    let members = deps.audiences.read();
    // The position is read before the members are, so that changes after it leave no gap.
    let as_of = deps.changes.head();
    object([
        ("name", name.into()),
        ("label", audience.label.clone().into()),
        ("description", audience.description.clone().into()),
        ("version", members.version(name).unwrap_or(1).into()),
        ("condition", engine::describe(&audience.condition).into()),
        ("size", text(members.size(name).unwrap_or(0))),
        ("asOf", Cursor::Change(as_of).encode().into()),
    ])
}

pub(super) fn is_member(ctx: &ResolverContext<'_>) -> Result<Value, Error> {
    let id = asked_profile(ctx)?;
    let id = profile::current(deps(ctx), id);
    let name = parent_text(ctx, "name");
    Ok(id.is_some_and(|id| deps(ctx).audiences.read().is_member(&name, id)).into())
}

pub(super) fn members(ctx: &ResolverContext<'_>) -> Result<Value, Error> {
    let first = input::first(&ctx.args, MOST)?;
    let after = input::after(&ctx.args, Cursor::member)?;
    let name = parent_text(ctx, "name");
    let mut page = deps(ctx).audiences.read().members(&name, after, first + 1);
    let more = page.len() > first;
    page.truncate(first);
    let end = page.last().map(|member| Cursor::Member(member.profile));
    let whole = asks_for_more_than_ids(ctx);
    let nodes = page.iter().map(|member| member_node(deps(ctx), member, whole));
    Ok(object([("nodes", list(nodes)), ("pageInfo", page_info(more, end))]))
}

/// Pages of ids alone, the usual case, read no profile.
fn asks_for_more_than_ids(ctx: &ResolverContext<'_>) -> bool {
    let profiles = ctx.ctx.look_ahead().field("nodes").field("profile").selection_fields();
    let beyond_id = |name: &str| !matches!(name, "id" | "__typename" | "audiences");
    profiles.iter().any(|profile| profile.selection_set().any(|field| beyond_id(field.name())))
}

fn member_node(deps: &Deps, member: &Member, whole: bool) -> Value {
    let id_alone = || object([("id", text(member.profile))]);
    let profile = if whole { profile::load(deps, member.profile) } else { None };
    object([
        ("profile", profile.unwrap_or_else(id_alone)),
        ("since", text(member.entered_at)),
        ("leavesAt", optional(member.leaves_at)),
    ])
}

pub(super) fn explain(ctx: &ResolverContext<'_>) -> Result<Value, Error> {
    let id = asked_profile(ctx)?;
    let name = parent_text(ctx, "name");
    let current = profile::current(deps(ctx), id);
    let tree = current.and_then(|id| deps(ctx).audiences.read().explain(&name, id, deps(ctx).clock.now()));
    tree.map(|tree| shown_tree(&tree))
        .ok_or_else(|| Error::NotFound { what: "profile", name: id.to_string() })
}

fn shown_tree(tree: &Explanation) -> Value {
    object([
        ("text", tree.text.as_str().into()),
        ("holds", tree.holds.into()),
        ("value", tree.value.clone().into()),
        ("until", optional(tree.until)),
        ("children", list(tree.children.iter().map(shown_tree))),
    ])
}

fn asked_profile(ctx: &ResolverContext<'_>) -> Result<ProfileId, Error> {
    input::profile(&ctx.args, "profile")?
        .ok_or_else(|| Error::Invalid("'profile' must be a profile id".into()))
}
