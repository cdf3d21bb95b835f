use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

/// An integer of any size, as a number or a text. It names an environment of dbt's service; here there
/// is one.
#[derive(Debug, Clone)]
pub(super) struct BigInt(String);

#[Scalar(name = "BigInt")]
impl ScalarType for BigInt {
    fn parse(value: Value) -> InputValueResult<Self> {
        let text = match &value {
            Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
            Value::String(text) => text.clone(),
            _ => return Err(InputValueError::expected_type(value)),
        };
        let digits = text.strip_prefix('-').unwrap_or(&text);
        match !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
            true => Ok(Self(text)),
            false => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// `config.meta` of an element; what is not JSON stays a text.
pub(super) fn meta(text: &str) -> async_graphql::Json<serde_json::Value> {
    async_graphql::Json(serde_json::from_str(text).unwrap_or_else(|_| text.into()))
}
