use model::Encoder;
use semantic::{CallKind, EventNames, Window};
use sha2::{Digest, Sha256};

use crate::{compare, filter};

mod count;
mod golden;

pub(crate) use count::Count;
pub(crate) use golden::Golden;

/// What a leaf says about an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Its truth.
    pub(crate) holds: bool,
    /// The next instant at which the truth may be another although nothing arrives;
    /// [`crate::timers::NEVER`] if there is none.
    pub(crate) until: i64,
}

/// One question about a profile. Each kind owns the words of its state: how a call changes them, how
/// those of two records unite, and what they mean at an instant. No state means nothing yet.
#[derive(Debug, Clone)]
pub(crate) enum Leaf {
    Count(Count),
    Golden(Golden),
    Everyone,
}

/// Names a leaf across audiences, versions and restarts: hash of its normal form.
pub(crate) type LeafHash = [u8; 16];

impl Leaf {
    /// Truth at `now`, and until when.
    pub(crate) fn at(&self, state: &[u64], now: i64) -> Moment {
        match self {
            Self::Count(count) => count.at(state, now),
            Self::Golden(golden) => golden.at(state, now),
            Self::Everyone => Moment { holds: true, until: crate::timers::NEVER },
        }
    }

    /// Unites the state of another record of the profile into `state`.
    pub(crate) fn merge(&self, state: &mut Vec<u64>, other: &[u64]) {
        match self {
            Self::Count(count) => count.merge(state, other),
            // Kept per profile, so there is never a second one.
            Self::Golden(_) | Self::Everyone => {}
        }
    }

    /// The value in words, where there is more to say than the truth: "2 of 3".
    pub(crate) fn value(&self, state: &[u64], now: i64) -> Option<String> {
        match self {
            Self::Count(count) => Some(count.value(state, now)),
            Self::Golden(_) | Self::Everyone => None,
        }
    }
}

/// The hash of a leaf's normal form. The form is stored by its hash, so it must never change.
pub(crate) fn hash(leaf: &semantic::Leaf) -> LeafHash {
    let mut out = Encoder::default();
    match leaf {
        semantic::Leaf::Count { selector, window, count } => {
            let kind = match selector.kind {
                CallKind::Track => "event",
                CallKind::Page => "page",
                CallKind::Screen => "screen",
            };
            out.text(kind);
            match &selector.names {
                EventNames::Any => out.u8(0),
                EventNames::OneOf(names) => {
                    let mut names = names.clone();
                    names.sort();
                    names.dedup();
                    out.u8(1).u64(names.len() as u64);
                    for name in &names {
                        out.text(name);
                    }
                    &mut out
                }
            };
            out.option(selector.filter.as_ref(), |out, part| filter::encode(part, out));
            match window {
                Window::Ever => out.u8(0),
                Window::Within(width) => out.u8(1).u64(width.as_millis() as u64),
            };
            compare::encode(count, &mut out);
        }
        semantic::Leaf::Trait { path, comparisons } => {
            out.text("trait").text(path);
            compare::encode(comparisons, &mut out);
        }
        semantic::Leaf::Everyone => _ = out.text("everyone"),
    }
    let digest = Sha256::digest(out.finish());
    std::array::from_fn(|i| digest[i])
}
