//! Rules for unit tests.

use std::time::Duration;

use semantic::IdentityRules;

pub(crate) fn no_identifiers() -> IdentityRules {
    IdentityRules {
        identifiers: Vec::new(),
        block: Vec::new(),
        must: Vec::new(),
        never: Vec::new(),
        default_blocks: true,
        max_backdate: Duration::from_secs(30 * 86_400),
    }
}
