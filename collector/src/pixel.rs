use std::borrow::Cow;

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use model::{Timestamp, json::Json};

use crate::query::fields;

/// URL-safe base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
const STANDARD: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The event in a pixel's query, as JSON bytes: base64 JSON in `data` (Segment), else flat keys, whose
/// dots build objects (RudderStack, which also sets channel, integrations and the two times).
pub(crate) fn event(query: &str, now: Timestamp) -> Option<Vec<u8>> {
    if let Some((_, data)) = fields(query).find(|(name, _)| name == "data") {
        // A plus sign that was not escaped came out as a blank.
        let data = data.trim().replace(' ', "+");
        return BASE64.decode(&data).or_else(|_| STANDARD.decode(&data)).ok();
    }
    let mut event = Json::Object(Vec::new());
    for (name, value) in fields(query).filter(|(name, _)| !matches!(&**name, "writeKey" | "writekey")) {
        put(&mut event, &name, Json::String(Cow::Owned(value.into_owned())));
    }
    let time = || Json::String(Cow::Owned(now.to_string()));
    put(&mut event, "channel", Json::String("web".into()));
    put(&mut event, "integrations.All", Json::Bool(true));
    put(&mut event, "originalTimestamp", time());
    put(&mut event, "sentAt", time());
    Some(event.to_text().into_bytes())
}

/// Sets the value at a dotted path, making objects on the way; nesting deeper than events may have is
/// cut off with the call.
fn put(object: &mut Json<'_>, path: &str, value: Json<'static>) {
    let Json::Object(members) = object else { return };
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    if rest.is_some_and(|rest| rest.split('.').count() > 60) {
        return;
    }
    let place = members.iter().position(|(key, _)| key == head).unwrap_or_else(|| {
        members.push((Cow::Owned(head.to_owned()), Json::Object(Vec::new())));
        members.len() - 1
    });
    match rest {
        None => members[place].1 = value,
        Some(rest) => put(&mut members[place].1, rest, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expect: Option<&str>) {
        let got = event(query, Timestamp::from_millis(0)).map(|b| String::from_utf8(b).unwrap());
        assert_eq!(got.as_deref(), expect, "{query}");
    }

    #[test]
    fn dotted_keys_build_objects() {
        check(
            "writeKey=WK&anonymousId=a&event=Ad+Seen&properties.x=1&properties.y.z=2",
            Some(
                r#"{"anonymousId":"a","event":"Ad Seen","properties":{"x":"1","y":{"z":"2"}},"channel":"web","integrations":{"All":true},"originalTimestamp":"1970-01-01T00:00:00.000Z","sentAt":"1970-01-01T00:00:00.000Z"}"#,
            ),
        );
    }

    #[test]
    fn data_is_base64_json() {
        check("data=eyJhIjoxfQ", Some(r#"{"a":1}"#));
        check("data=eyJhIjoxfQ%3D%3D", Some(r#"{"a":1}"#));
        check("data=!!", None);
    }
}
