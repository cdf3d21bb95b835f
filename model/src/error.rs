use std::time::Duration;

/// What went wrong, from a closed set. Every crate's `Error` has a `kind()` from it; each transport
/// maps kinds, never a crate's variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The caller's input is wrong; diagnostics say where.
    Invalid,
    /// No credential, or a bad one.
    Unauthenticated,
    /// A known principal that is not allowed to do this.
    Denied,
    /// Unknown, or not visible to this principal (the text never tells which).
    NotFound,
    /// A version or uniqueness clash.
    Conflict,
    /// Over a size or complexity cap.
    TooLarge,
    /// A quota or resource limit is reached.
    Exhausted,
    /// A deadline passed, or the caller cancelled.
    Timeout,
    /// A dependency or the storage is down.
    Unavailable,
    /// Understood, but not offered.
    Unsupported,
    /// Our fault.
    Internal,
}

/// Whether the same call may succeed later. The default is no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retry {
    /// The same call fails again.
    #[default]
    No,
    /// The same call may succeed at once.
    Now,
    /// The same call may succeed after this long.
    After(Duration),
}
