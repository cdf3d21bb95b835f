use std::cmp::Ordering;

use model::json::Json;

use super::cast::compare_numbers;

/// All elements of all arrays, each once: booleans, then numbers by value, then texts by bytes, then
/// the rest by JSON text. A value that is no array is an element.
pub(super) fn union<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let mut elements: Vec<Json<'a>> = Vec::new();
    for value in values {
        match Json::parse(value.as_bytes()).map(|parsed| parsed.value) {
            Ok(Json::Array(items)) => elements.extend(items),
            Ok(element) => elements.push(element),
            Err(_) => {}
        }
    }
    elements.sort_by(|a, b| order(a, b).then_with(|| a.to_text().len().cmp(&b.to_text().len())));
    elements.dedup_by(|a, b| order(a, b).is_eq());
    Json::Array(elements).to_text()
}

fn order(a: &Json<'_>, b: &Json<'_>) -> Ordering {
    match (a, b) {
        (Json::Bool(a), Json::Bool(b)) => a.cmp(b),
        (Json::Number(a), Json::Number(b)) => compare_numbers(a, b),
        (Json::String(a), Json::String(b)) => a.cmp(b),
        _ if rank(a) == rank(b) => a.to_text().cmp(&b.to_text()),
        _ => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: &Json<'_>) -> u8 {
    match value {
        Json::Bool(_) => 0,
        Json::Number(_) => 1,
        Json::String(_) => 2,
        Json::Null | Json::Array(_) | Json::Object(_) => 3,
    }
}
