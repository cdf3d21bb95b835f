//! The vocabulary every other crate shares: ids, time, events as they stand on the log, membership
//! changes, column types, diagnostics and error kinds.
//!
//! Must never know: any other crate of this workspace, tokio, Arrow, HTTP. Nothing here does I/O,
//! except [`SystemClock`], which reads the machine's clock.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod change;
mod codec;
mod dead_letter;
mod diagnostic;
mod error;
mod event;
mod ids;
pub mod json;
pub mod naming;
mod principal;
mod record;
mod secret;
mod time;
mod value;

pub use change::{Cause, ChangeKind, ChangeReason, MembershipChange};
pub use codec::{CodecError, Decoder, Encoder};
pub use dead_letter::{DeadLetter, DeadLetterState, DeadLetterStatus, StoredDeadLetter};
pub use diagnostic::{Diagnostic, Severity, Span};
pub use error::{ErrorKind, Retry};
pub use event::{Event, EventType};
pub use ids::{
    AudienceName, ChangeId, MessageId, Offset, ParseProfileIdError, ProfileId, RecordId, SourceName,
};
pub use principal::Principal;
pub use record::{NewRecord, Record, RecordKind};
pub use secret::Secret;
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
pub use value::{ColumnType, Value};
