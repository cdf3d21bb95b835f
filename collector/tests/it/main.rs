//! The collector over real HTTP/1.1 on a port of its own.
//!
//! - `conformance`: the recorded requests of six unmodified SDKs.
//! - `requests`: paths, keys, answers, bad input, overload.
//! - `letters`: quarantine and replay.
//! - `webhooks`: senders that speak no tracking protocol.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod letters;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod support;
#[cfg(test)]
mod webhooks;
