use std::borrow::Cow;

use model::json::Json;

/// Adds the members of `defaults` that the object at `key` does not have: the item wins (C-27).
/// Says whether anything changed.
pub(crate) fn overlay<'a>(item: &mut Json<'a>, key: &'static str, defaults: &Json<'a>) -> bool {
    let Json::Object(defaults) = defaults else { return false };
    if defaults.is_empty() {
        return false;
    }
    let Some(Json::Object(members)) = object_at(item, key) else { return false };
    let before = members.len();
    for (name, value) in defaults {
        if !members.iter().any(|(present, _)| present == name) {
            members.push((name.clone(), value.clone()));
        }
    }
    members.len() > before
}

/// Sets the value at a path of keys, making the objects on the way.
pub(crate) fn set<'a>(item: &mut Json<'a>, path: &[&'static str], value: Json<'a>) {
    match path {
        [] => *item = value,
        [key, rest @ ..] => {
            if let Json::Object(members) = item {
                let place = members.iter().position(|(k, _)| k == key).unwrap_or_else(|| {
                    members.push((Cow::Borrowed(key), Json::Object(Vec::new())));
                    members.len() - 1
                });
                let slot = &mut members[place].1;
                if !rest.is_empty() && !matches!(slot, Json::Object(_)) {
                    *slot = Json::Object(Vec::new());
                }
                set(slot, rest, value);
            }
        }
    }
}

/// Removes the value at a path of keys.
pub(crate) fn remove(item: &mut Json<'_>, path: &[&str]) {
    let (Json::Object(members), [key, rest @ ..]) = (item, path) else { return };
    let Some(place) = members.iter().position(|(k, _)| k == key) else { return };
    if rest.is_empty() {
        members.remove(place);
    } else {
        remove(&mut members[place].1, rest);
    }
}

/// The object at a key, made if it is absent or null; anything else there stays.
fn object_at<'m, 'a>(item: &'m mut Json<'a>, key: &'static str) -> Option<&'m mut Json<'a>> {
    let Json::Object(members) = item else { return None };
    let place = members.iter().position(|(k, _)| k == key).unwrap_or_else(|| {
        members.push((Cow::Borrowed(key), Json::Null));
        members.len() - 1
    });
    let slot = &mut members[place].1;
    if slot.is_null() {
        *slot = Json::Object(Vec::new());
    }
    Some(slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Json<'_> {
        Json::parse(text.as_bytes()).unwrap().value
    }

    #[test]
    fn the_item_wins_over_the_batch_c27() {
        let check = |item: &str, defaults: &str, expect: &str| {
            let mut value = parse(item);
            let changed = overlay(&mut value, "context", &parse(defaults));
            assert_eq!(value.to_text(), expect);
            assert_eq!(changed, item != expect);
        };
        check(r#"{"context":{"a":1}}"#, r#"{"a":2,"b":3}"#, r#"{"context":{"a":1,"b":3}}"#);
        check(r#"{"context":null}"#, r#"{"b":3}"#, r#"{"context":{"b":3}}"#);
        check("{}", r#"{"b":3}"#, r#"{"context":{"b":3}}"#);
        check(r#"{"context":7}"#, r#"{"b":3}"#, r#"{"context":7}"#);
        check("{}", "{}", "{}");
    }

    #[test]
    fn paths_are_made_and_removed() {
        let mut value = parse(r#"{"context":{"ip":"1"},"a":1}"#);
        set(&mut value, &["context", "etalon", "replayedFrom"], Json::Number("7"));
        remove(&mut value, &["context", "ip"]);
        assert_eq!(value.to_text(), r#"{"context":{"etalon":{"replayedFrom":7}},"a":1}"#);
    }
}
