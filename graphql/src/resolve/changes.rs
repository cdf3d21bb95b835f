//! The subscription: members first if asked for, then changes behind a cursor (GQL-4).

use async_graphql::{
    Value,
    dynamic::{FieldValue, ResolverContext, SubscriptionFieldFuture},
};
use delivery::{ChangeBatch, Filter};
use engine::Cursor;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use model::{AudienceName, MembershipChange, ProfileId};

use super::{deps, profile::identifiers};
use crate::{
    Deps, Error, input,
    value::{list, object, optional, text},
};

/// Members in one batch of a snapshot.
const PAGE: usize = 1_000;
/// A reader that had caught up and falls this far behind is told so.
const MOST_BEHIND: u64 = 10_000;

pub(crate) fn audience_changes<'a>(ctx: ResolverContext<'a>) -> SubscriptionFieldFuture<'a> {
    SubscriptionFieldFuture::new(async move {
        let batches = subscribe(&ctx).map_err(|error| error.shown())?;
        Ok(batches.map_ok(FieldValue::value).map_err(|error| error.shown()))
    })
}

fn subscribe(
    ctx: &ResolverContext<'_>,
) -> Result<impl Stream<Item = Result<Value, Error>> + Send + use<>, Error> {
    let deps = deps(ctx).clone();
    let filter = filter(ctx, &deps)?;
    let after = input::after(&ctx.args, Cursor::change)?;
    let snapshot = input::flag(&ctx.args, "snapshot");
    if snapshot && after.is_some() {
        return Err(Error::Invalid("'snapshot' starts anew, 'after' goes on: give one of them".into()));
    }
    // Read before the members are: what changes meanwhile comes again as a change.
    let start = after.unwrap_or_else(|| deps.changes.head());
    let members = if snapshot { names(&deps, &filter) } else { Vec::new() };
    let present = snapshot_pages(deps.clone(), members, filter.profile, start);
    Ok(present.map(Ok).chain(live(deps, start, filter)))
}

fn filter(ctx: &ResolverContext<'_>, deps: &Deps) -> Result<Filter, Error> {
    let names = input::texts(&ctx.args, "audiences")?;
    let catalog = deps.engine.catalog();
    if let Some(name) = names.iter().find(|name| catalog.audience(name).is_none()) {
        return Err(Error::NotFound { what: "audience", name: name.clone() });
    }
    let audiences = names.into_iter().map(AudienceName::new).collect();
    Ok(Filter { audiences, profile: input::profile(&ctx.args, "profile")? })
}

fn names(deps: &Deps, filter: &Filter) -> Vec<AudienceName> {
    if filter.audiences.is_empty() {
        deps.engine.catalog().audiences.iter().map(|audience| audience.name.clone()).collect()
    } else {
        filter.audiences.clone()
    }
}

fn live(deps: Deps, start: u64, filter: Filter) -> impl Stream<Item = Result<Value, Error>> + Send {
    let feed = deps.changes.feed(Some(start), filter).map_err(Error::from).boxed();
    let state = Some((feed, Pace { caught_up: false }, deps));
    stream::unfold(state, async |state| {
        let (mut feed, mut pace, deps) = state?;
        let batch = match feed.next().await? {
            Ok(batch) => batch,
            Err(error) => return Some((Err(error), None)),
        };
        match pace.check(batch.cursor, deps.changes.head()) {
            Ok(()) => Some((Ok(shown_batch(&batch)), Some((feed, pace, deps)))),
            Err(error) => Some((Err(error), None)),
        }
    })
}

/// Tells a reader that resumes from far back, which is fine, from one that cannot keep up.
struct Pace {
    caught_up: bool,
}

impl Pace {
    fn check(&mut self, cursor: u64, head: u64) -> Result<(), Error> {
        let behind = head.saturating_sub(cursor);
        if self.caught_up && behind > MOST_BEHIND {
            return Err(Error::SlowConsumer { limit: MOST_BEHIND, cursor: Cursor::Change(cursor).encode() });
        }
        self.caught_up |= behind == 0;
        Ok(())
    }
}

/// The members of the named audiences, page by page, as entries.
fn snapshot_pages(
    deps: Deps,
    names: Vec<AudienceName>,
    profile: Option<ProfileId>,
    start: u64,
) -> impl Stream<Item = Value> + Send {
    let audiences = stream::iter(names);
    audiences.flat_map(move |name| {
        let deps = deps.clone();
        stream::unfold(Some(None), move |after: Option<Option<ProfileId>>| {
            let page = after.map(|after| snapshot_page(&deps, &name, after, profile, start));
            async move { page }
        })
        .filter(|batch| std::future::ready(*batch != Value::Null))
    })
}

/// One page, null if nothing of it is asked for, and where the next one starts.
fn snapshot_page(
    deps: &Deps,
    name: &AudienceName,
    after: Option<ProfileId>,
    only: Option<ProfileId>,
    start: u64,
) -> (Value, Option<Option<ProfileId>>) {
    let (members, version) = {
        let audiences = deps.audiences.read();
        (audiences.members(name.as_str(), after, PAGE), audiences.version(name.as_str()).unwrap_or(1))
    };
    let next = (members.len() == PAGE).then(|| members.last().map(|member| member.profile));
    let now = deps.clock.now();
    let wanted = members.iter().filter(|member| only.is_none_or(|id| id == member.profile));
    let entries: Vec<Value> = wanted
        .map(|member| {
            let known = deps.identity.read().profile(member.profile);
            object([
                ("id", format!("snapshot_{start}_{name}_{}", member.profile).into()),
                ("audience", audience(name, version)),
                (
                    "profile",
                    profile(member.profile, known.map_or_else(|| list([]), |p| identifiers(&p.identifiers))),
                ),
                ("change", "entered".into()),
                ("reason", "reconcile".into()),
                ("at", text(member.entered_at)),
                ("computedAt", text(now)),
                ("leavesAt", optional(member.leaves_at)),
            ])
        })
        .collect();
    let batch = if entries.is_empty() { Value::Null } else { batch(start, false, entries) };
    (batch, next)
}

fn shown_batch(changes: &ChangeBatch) -> Value {
    batch(changes.cursor, changes.heartbeat, changes.changes.iter().map(change).collect())
}

fn batch(cursor: u64, heartbeat: bool, changes: Vec<Value>) -> Value {
    object([
        ("cursor", Cursor::Change(cursor).encode().into()),
        ("heartbeat", heartbeat.into()),
        ("changes", Value::List(changes)),
    ])
}

fn change(change: &MembershipChange) -> Value {
    let cause = change.cause.as_ref().map(|cause| {
        object([
            ("messageId", text(&cause.message_id)),
            ("event", cause.event.as_str().into()),
            ("t", text(cause.t)),
        ])
    });
    object([
        ("id", text(&change.id)),
        ("seq", text(change.seq)),
        ("audience", audience(&change.audience, change.audience_version)),
        ("profile", profile(change.profile, identifiers(&change.identifiers))),
        ("change", change.change.as_str().into()),
        ("reason", change.reason.as_str().into()),
        ("cause", cause.unwrap_or_default()),
        ("at", text(change.at)),
        ("computedAt", text(change.computed_at)),
        ("profileSeq", text(change.profile_seq)),
        ("leavesAt", optional(change.leaves_at)),
        ("mergedInto", optional(change.merged_into)),
    ])
}

fn audience(name: &AudienceName, version: u32) -> Value {
    object([("name", text(name)), ("version", version.into())])
}

fn profile(id: ProfileId, identifiers: Value) -> Value {
    object([("id", text(id)), ("identifiers", identifiers)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_resumes_from_far_back_is_not_slow() {
        let mut pace = Pace { caught_up: false };
        assert!(pace.check(1, 50_000).is_ok());
        assert!(pace.check(50_000, 50_000).is_ok());
        assert!(pace.check(50_000, 60_000).is_ok());
        let error = pace.check(50_000, 60_001).expect_err("too far behind");
        assert_eq!(error.code(), "SLOW_CONSUMER");
    }
}
