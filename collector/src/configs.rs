use model::json::quote;

use crate::source::Source;

/// The settings document of analytics.js and the Segment mobile SDKs. Exactly one integration: more
/// make the SDK fetch a bundle from the vendor's CDN. A sample rate of 0 stops its self-metrics.
pub(crate) fn settings(source: &Source) -> String {
    format!(
        r#"{{"integrations":{{"Segment.io":{{"apiKey":{}}}}},"metrics":{{"sampleRate":0}}}}"#,
        quote(source.key())
    )
}

/// The configuration of the RudderStack browser and mobile SDKs; mobile SDKs crash without both
/// members of `statsCollection`.
pub(crate) fn source_config(source: &Source) -> String {
    format!(
        r#"{{"source":{{"id":{name},"name":{name},"enabled":{enabled},"workspaceId":"etalon","writeKey":{key},"config":{{"statsCollection":{{"errors":{{"enabled":false}},"metrics":{{"enabled":false}}}}}},"destinations":[]}}}}"#,
        name = quote(source.name.as_str()),
        enabled = source.enabled,
        key = quote(source.key()),
    )
}
