use model::AudienceName;
use semantic::Expr;

use crate::{bits::Bits, program::Node};

/// An audience as the engine runs it.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: AudienceName,
    /// Number in stored memberships.
    pub(super) number: u32,
    pub(super) version: u32,
    pub(super) hash: u64,
    pub(super) install: Install,
    /// `None` for an audience that is no longer defined.
    pub(super) condition: Option<Condition>,
    /// Its members, by profile.
    pub(super) members: Bits,
    pub(super) size: u64,
}

#[derive(Debug)]
pub(super) struct Condition {
    pub(super) expr: Expr,
    pub(super) node: Node,
}

/// How far a definition has come into effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Install {
    /// In effect.
    Live,
    /// Waits for history; nobody is in.
    New,
    /// Waits for history; the members are those of the version before.
    Changed,
    /// No longer defined; its members have yet to leave.
    Dropped,
    /// No longer defined, and empty.
    Gone,
}

impl Rule {
    /// The condition, once it is in effect.
    pub(super) fn live(&self) -> Option<&Condition> {
        self.condition.as_ref().filter(|_| self.install == Install::Live)
    }

    /// Whether anybody can see the audience.
    pub(super) fn is_visible(&self) -> bool {
        self.install != Install::Gone
    }

    pub(super) fn count(&mut self, profile: u32, member: bool) {
        if self.members.set(profile, member) {
            self.size = if member { self.size + 1 } else { self.size - 1 };
        }
    }
}
