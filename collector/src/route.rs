use std::borrow::Cow;

use model::EventType;

use crate::query::decode_segment;

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// One event; the path gives its type.
    Single(EventType),
    /// Many events. An import keeps `timestamp` as sent.
    Batch { import: bool },
    /// One event in the query, answered with an image.
    Pixel(EventType),
    /// Anything, from senders that speak no tracking protocol.
    Webhook { source: Option<Cow<'a, str>> },
    /// An SDK's metrics about itself: thrown away.
    SelfMetrics,
    /// Configuration of analytics.js and the Segment mobile SDKs.
    Settings { key: Cow<'a, str> },
    /// Configuration of the RudderStack browser and mobile SDKs.
    SourceConfig,
    /// Nothing here.
    Unknown,
}

impl<'a> Route<'a> {
    /// Reads a path: below a prefix or not, without `/v1`, with one or two, trailing slash or not.
    pub(crate) fn of(path: &'a str, prefixes: &[String]) -> Self {
        let route = Self::below(path);
        if route != Self::Unknown {
            return route;
        }
        let rest = |prefix: &String| {
            let prefix = prefix.trim_matches('/');
            let rest = path.strip_prefix('/')?.strip_prefix(prefix)?;
            (!prefix.is_empty() && rest.starts_with('/')).then_some(rest)
        };
        prefixes
            .iter()
            .filter_map(rest)
            .map(Self::below)
            .find(|r| *r != Self::Unknown)
            .unwrap_or(Self::Unknown)
    }

    fn below(path: &'a str) -> Self {
        let mut segments = path.split('/').filter(|s| !s.is_empty());
        let mut parts: [&str; 4] = [""; 4];
        let mut count = 0;
        let mut versions = 0;
        for segment in &mut segments {
            if segment == "v1" && versions < 2 && (count == 0 || matches!(parts[0], "beacon" | "pixel")) {
                versions += 1;
                continue;
            }
            if count == parts.len() {
                return Self::Unknown;
            }
            parts[count] = segment;
            count += 1;
        }
        Self::of_parts(&parts[..count])
    }

    fn of_parts(parts: &[&'a str]) -> Self {
        match parts {
            ["batch" | "b"] | ["beacon", "batch"] => Self::Batch { import: false },
            ["import"] => Self::Batch { import: true },
            ["m" | "rsaMetrics"] => Self::SelfMetrics,
            ["pixel", call] => event_type(call).map_or(Self::Unknown, Self::Pixel),
            ["webhook"] => Self::Webhook { source: None },
            ["webhook", source] => Self::Webhook { source: Some(decode_segment(source)) },
            ["projects", key, "settings"] => Self::Settings { key: decode_segment(key) },
            ["sourceConfig"] => Self::SourceConfig,
            [call] => event_type(call).map_or(Self::Unknown, Self::Single),
            _ => Self::Unknown,
        }
    }
}

fn event_type(segment: &str) -> Option<EventType> {
    Some(match segment {
        "identify" | "i" => EventType::Identify,
        "track" | "t" => EventType::Track,
        "page" | "p" => EventType::Page,
        "screen" | "s" => EventType::Screen,
        "group" | "g" => EventType::Group,
        "alias" | "a" => EventType::Alias,
        "merge" => EventType::Merge,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expect: Route<'_>) {
        let prefixes = ["/shop/data".to_owned()];
        assert_eq!(Route::of(path, &prefixes), expect, "{path}");
    }

    #[test]
    fn every_form_of_a_path_is_known() {
        for path in [
            "/v1/track",
            "/v1/track/",
            "/track",
            "/v1/v1/track",
            "/v1/t",
            "/t",
            "/shop/data/v1/t",
            "/shop/data/t/",
            "//v1//t",
        ] {
            check(path, Route::Single(EventType::Track));
        }
        for path in [
            "/v1/batch",
            "/v1/b",
            "/b/",
            "/beacon/v1/batch",
            "/beacon/batch",
            "/v1/beacon/v1/batch",
            "/shop/data/beacon/v1/batch",
        ] {
            check(path, Route::Batch { import: false });
        }
        check("/v1/import", Route::Batch { import: true });
        check("/v1/merge", Route::Single(EventType::Merge));
        check("/pixel/v1/page", Route::Pixel(EventType::Page));
        check("/v1/pixel/identify", Route::Pixel(EventType::Identify));
        check("/v1/m", Route::SelfMetrics);
        check("/rsaMetrics", Route::SelfMetrics);
        check("/v1/projects/W%20K/settings", Route::Settings { key: "W K".into() });
        check("/sourceConfig/", Route::SourceConfig);
        check("/v1/webhook", Route::Webhook { source: None });
        check("/v1/webhook/stripe", Route::Webhook { source: Some("stripe".into()) });
    }

    #[test]
    fn other_paths_are_not() {
        for path in [
            "/",
            "",
            "/v1",
            "/v2/track",
            "/v1/v1/v1/track",
            "/v1/track/x",
            "/shop/datav1/t",
            "/pixel/v1/x",
            "/graphql",
            "/v1/a/b/c/d/e",
        ] {
            check(path, Route::Unknown);
        }
    }
}
