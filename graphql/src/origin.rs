//! Whether a browser's page belongs to this server.

use axum::http::{HeaderMap, header};

/// True for callers that are no browser, and for pages of this host. A page of another origin may open a
/// web socket without being asked, so it must bring a credential of its own.
pub(crate) fn is_same(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    matches!((origin, host), (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(origin: Option<&'static str>, expect: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("localhost:8080"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        assert_eq!(is_same(&headers), expect, "{origin:?}");
    }

    #[test]
    fn only_pages_of_this_host_and_programs_are_at_home() {
        check(None, true);
        check(Some("http://localhost:8080"), true);
        check(Some("http://localhost:3000"), false);
        check(Some("https://evil.example"), false);
        check(Some("null"), false);
    }
}
