use std::borrow::Cow;

use model::json::Json;

/// Clean-up of an id field: numbers and booleans become text, blanks and control characters go, and
/// what is left empty, `null`, an object or an array is absent (C-4, `collector.md` §9).
pub(crate) fn clean<'v>(value: Option<&'v Json<'_>>) -> Option<Cow<'v, str>> {
    match value? {
        Json::String(text) => clean_text(text),
        Json::Number(text) => Some(Cow::Borrowed(text)),
        Json::Bool(true) => Some(Cow::Borrowed("true")),
        Json::Bool(false) => Some(Cow::Borrowed("false")),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn clean_text(text: &str) -> Option<Cow<'_, str>> {
    let cleaned = if text.contains(char::is_control) {
        let kept: String = text.chars().filter(|c| !c.is_control()).collect();
        Cow::Owned(kept.trim().to_owned())
    } else {
        Cow::Borrowed(text.trim())
    };
    (!cleaned.is_empty()).then_some(cleaned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_cleaned() {
        let check = |json: &str, expect: Option<&str>| {
            let value = Json::parse(json.as_bytes()).unwrap().value;
            assert_eq!(clean(Some(&value)).as_deref(), expect, "{json}");
        };
        check("\"u1\"", Some("u1"));
        check("\" u\\u00001\\n \"", Some("u1"));
        check("42", Some("42"));
        check("true", Some("true"));
        for absent in ["null", "\"\"", "\"  \"", "{}", "[1]", "\"\\u0000\"", "NaN"] {
            check(absent, None);
        }
        assert_eq!(clean(None), None);
    }
}
