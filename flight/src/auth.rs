use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use model::Principal;
use tonic::{Status, metadata::MetadataMap};

/// Turns a credential into a principal; `None` as credential is a call without one. It compares
/// secrets whole and in constant time.
pub type Authenticate = Arc<dyn Fn(Option<&str>) -> Option<Principal> + Send + Sync>;

/// A credential as it stands in a header.
#[derive(Debug, PartialEq, Eq)]
enum Credential {
    None,
    Bearer(String),
    /// The password; the user's name says nothing.
    Basic(String),
    Other,
}

/// The principal of any call but a handshake: a bearer token, or no credential (FLT-1).
pub(crate) fn principal(authenticate: &Authenticate, headers: &MetadataMap) -> Result<Principal, Status> {
    let principal = match credential(headers) {
        Credential::None => authenticate(None),
        Credential::Bearer(token) => authenticate(Some(&token)),
        Credential::Basic(_) | Credential::Other => None,
    };
    principal.ok_or_else(refused)
}

/// The token that a handshake's credential stands for: a password becomes a bearer token, a bearer
/// token stays itself.
pub(crate) fn handshake(
    authenticate: &Authenticate,
    headers: &MetadataMap,
) -> Result<Option<String>, Status> {
    let token = match credential(headers) {
        Credential::None => None,
        Credential::Bearer(token) | Credential::Basic(token) => Some(token),
        Credential::Other => return Err(refused()),
    };
    match authenticate(token.as_deref()) {
        Some(_) => Ok(token),
        None => Err(refused()),
    }
}

fn refused() -> Status {
    Status::unauthenticated("a valid API key is needed: send `authorization: Bearer <key>`")
}

fn credential(headers: &MetadataMap) -> Credential {
    let Some(header) = headers.get("authorization") else { return Credential::None };
    let Some((scheme, value)) = header.to_str().ok().and_then(|text| text.trim().split_once(' ')) else {
        return Credential::Other;
    };
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Credential::Bearer(value.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Credential::Other;
    }
    let decoded = BASE64_STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match decoded.as_deref().and_then(|text| text.split_once(':')) {
        Some((_, password)) => Credential::Basic(password.to_owned()),
        None => Credential::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expect: Credential) {
        let mut headers = MetadataMap::new();
        headers.insert("authorization", header.parse().unwrap());
        assert_eq!(credential(&headers), expect, "{header}");
    }

    #[test]
    fn schemes_are_compared_without_case() {
        check("Bearer abc", Credential::Bearer("abc".to_owned()));
        check("bEARER  abc ", Credential::Bearer("abc".to_owned()));
        check("Basic dXNlcjpwYXNzOndvcmQ=", Credential::Basic("pass:word".to_owned()));
        check("basic bm9jb2xvbg==", Credential::Other);
        check("Token abc", Credential::Other);
        check("abc", Credential::Other);
    }
}
