//! GraphiQL, from files in the binary: works offline, loads nothing from elsewhere (GQL-6).

use std::io::Read as _;

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};

const INDEX: &str = include_str!("../assets/index.html");

/// GraphiQL's libraries set styles from script; everything else comes from here and nowhere else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const GUARDS: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    compressed: bool,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

const ASSETS: [Asset; 6] = [
    vendored("graphiql.min.js", SCRIPT, include_bytes!("../assets/graphiql.min.js.gz")),
    vendored("graphiql.min.css", STYLE, include_bytes!("../assets/graphiql.min.css.gz")),
    vendored("react.min.js", SCRIPT, include_bytes!("../assets/react.min.js.gz")),
    vendored("react-dom.min.js", SCRIPT, include_bytes!("../assets/react-dom.min.js.gz")),
    own("start.js", SCRIPT, include_bytes!("../assets/start.js")),
    own("page.css", STYLE, include_bytes!("../assets/page.css")),
];

const fn vendored(name: &'static str, kind: &'static str, bytes: &'static [u8]) -> Asset {
    Asset { name, kind, bytes, compressed: true }
}

const fn own(name: &'static str, kind: &'static str, bytes: &'static [u8]) -> Asset {
    Asset { name, kind, bytes, compressed: false }
}

/// Whether the caller is a browser that shows pages.
pub(crate) fn wanted(headers: &HeaderMap) -> bool {
    lists(headers, header::ACCEPT, "text/html")
}

pub(crate) fn index() -> Response {
    (GUARDS, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], INDEX).into_response()
}

pub(crate) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let common = [(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, "max-age=3600")];
    let vary = [(header::VARY, "accept-encoding")];
    if !asset.compressed {
        (GUARDS, common, asset.bytes).into_response()
    } else if lists(&headers, header::ACCEPT_ENCODING, "gzip") {
        (GUARDS, common, vary, [(header::CONTENT_ENCODING, "gzip")], asset.bytes).into_response()
    } else {
        (GUARDS, common, vary, plain(asset.bytes)).into_response()
    }
}

fn plain(compressed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(compressed);
    reader.read_to_end(&mut bytes).expect("the embedded files are whole");
    bytes
}

fn lists(headers: &HeaderMap, name: HeaderName, what: &str) -> bool {
    let values = headers.get_all(name);
    let mut items = values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    items.any(|item| item.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_only_embedded_files() {
        for (at, _) in INDEX.match_indices("src=\"").chain(INDEX.match_indices("href=\"")) {
            let rest = &INDEX[at..];
            let link = rest.split('"').nth(1).expect("quoted");
            let embedded =
                link.strip_prefix("/graphql/assets/").map(|name| ASSETS.iter().any(|a| a.name == name));
            assert!(embedded == Some(true) || link == "data:,", "{link}");
        }
        assert!(!INDEX.contains("://"));
        let style = String::from_utf8(plain(ASSETS[1].bytes)).expect("text");
        assert!(!style.contains("://") && !style.contains("@import"), "the style sheet loads something");
    }

    #[test]
    fn the_files_stay_below_a_megabyte() {
        let total: usize = ASSETS.iter().map(|asset| asset.bytes.len()).sum();
        assert!(total < 1_000_000, "{total}");
        for asset in ASSETS.iter().filter(|asset| asset.compressed) {
            assert!(plain(asset.bytes).len() > asset.bytes.len(), "{}", asset.name);
        }
    }
}
