//! Where values come from: one function per field that is more than a member of its parent.

mod audience;
mod catalog;
mod changes;
mod profile;
mod query;

use async_graphql::{Value, dynamic::ResolverContext};
use futures::future::BoxFuture;
use model::Principal;

pub(crate) use changes::audience_changes;

use crate::{Deps, Error};

/// How a field gets its value.
pub(crate) enum Resolver {
    /// The member of its name of the parent's value.
    Member,
    /// From memory.
    Now(for<'a> fn(&ResolverContext<'a>) -> Result<Value, Error>),
    /// From a query.
    Later(for<'a> fn(ResolverContext<'a>) -> BoxFuture<'a, Result<Value, Error>>),
}

pub(crate) fn resolver(owner: &str, field: &str) -> Resolver {
    match (owner, field) {
        ("Query", "metrics") => Resolver::Now(catalog::metrics),
        ("Query", "dimensions") => Resolver::Now(catalog::dimensions),
        ("Metric", "dimensions") => Resolver::Now(catalog::dimensions_of_metric),
        ("Query", "query") => Resolver::Later(query::query),
        ("Query", "explain") => Resolver::Later(query::explain),
        ("Query", "profile") => Resolver::Now(profile::profile),
        ("Profile", "audiences") => Resolver::Now(profile::audiences),
        ("Query", "audiences") => Resolver::Now(audience::audiences),
        ("Query", "audience") => Resolver::Now(audience::audience),
        ("Audience", "isMember") => Resolver::Now(audience::is_member),
        ("Audience", "members") => Resolver::Now(audience::members),
        ("Audience", "explain") => Resolver::Now(audience::explain),
        _ => Resolver::Member,
    }
}

/// The member of a name of the parent's value.
pub(crate) fn member(ctx: &ResolverContext<'_>, name: &str) -> Option<Value> {
    match ctx.parent_value.as_value()? {
        Value::Object(members) => members.get(name).cloned().and_then(some),
        _ => None,
    }
}

/// Null is the absence of a value.
pub(crate) fn some(value: Value) -> Option<Value> {
    (value != Value::Null).then_some(value)
}

fn parent_text(ctx: &ResolverContext<'_>, name: &str) -> String {
    match member(ctx, name) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    }
}

fn deps<'a>(ctx: &ResolverContext<'a>) -> &'a Deps {
    ctx.ctx.data_unchecked::<Deps>()
}

/// Every request carries one: the transports refuse those without.
fn principal<'a>(ctx: &ResolverContext<'a>) -> &'a Principal {
    ctx.ctx.data_unchecked::<Principal>()
}
