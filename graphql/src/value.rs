use std::fmt::Display;

use async_graphql::{Name, Value};
use engine::json::Cell;

/// An object value.
pub(crate) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (Name::new(name), value)).collect())
}

/// A text, for scalars that travel as texts (BigInt, DateTime, Decimal, ID).
pub(crate) fn text(value: impl Display) -> Value {
    Value::String(value.to_string())
}

/// A text, or null.
pub(crate) fn optional(value: Option<impl Display>) -> Value {
    value.map_or(Value::Null, text)
}

pub(crate) fn list(items: impl IntoIterator<Item = Value>) -> Value {
    Value::List(items.into_iter().collect())
}

pub(crate) fn page_info(has_next_page: bool, end_cursor: Option<engine::Cursor>) -> Value {
    object([
        ("hasNextPage", has_next_page.into()),
        ("endCursor", optional(end_cursor.map(|cursor| cursor.encode()))),
    ])
}

/// JSON text of ours (a trait) as a value; what is not JSON stays a text.
pub(crate) fn json(text: &str) -> Value {
    let parsed: Result<serde_json::Value, _> = serde_json::from_str(text);
    parsed.ok().and_then(|value| Value::from_json(value).ok()).unwrap_or_else(|| text.into())
}

/// A cell of a result row: integers are texts, as the scalar BigInt is everywhere (GQL-1).
pub(crate) fn cell(cell: Cell<'_>) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Bool(value) => value.into(),
        Cell::Integer(value) => text(value),
        Cell::Float(value) => value.into(),
        Cell::Text(value) => Value::String(value.into_owned()),
        Cell::List(items) => list(items.into_iter().map(self::cell)),
        Cell::Object(members) => Value::Object(
            members.into_iter().map(|(name, value)| (Name::new(name), self::cell(value))).collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_decimals_are_texts_and_floats_are_numbers() {
        assert_eq!(cell(Cell::Integer(7)), "7".into());
        assert_eq!(cell(Cell::Text("1.50".into())), "1.50".into());
        assert_eq!(cell(Cell::Float(0.5)), 0.5.into());
        assert_eq!(cell(Cell::List(vec![Cell::Null])), list([Value::Null]));
    }

    #[test]
    fn traits_are_json() {
        assert_eq!(json(r#"{"a":[1,"x"]}"#).to_string(), r#"{a: [1, "x"]}"#);
        assert_eq!(json("not json"), "not json".into());
    }
}
