/// Placeholder texts that identify nobody, compared in lower case on the whole value.
const PLACEHOLDERS: [&str; 9] =
    ["-1", "null", "none", "nan", "undefined", "unknown", "anonymous", "[object object]", "test@test.com"];

/// Senders that stand for a system, never for a person.
const PREFIXES: [&str; 2] = ["noreply@", "no-reply@"];

/// Whether the built-in block list names this value (`identity.md` §2).
pub(crate) fn is_blocked_by_default(value: &str) -> bool {
    let bytes = value.as_bytes();
    if bytes.iter().all(|b| matches!(b, b'0' | b'-')) {
        return true;
    }
    let starts_with = |prefix: &str| {
        bytes.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    PLACEHOLDERS.iter().any(|p| value.eq_ignore_ascii_case(p)) || PREFIXES.iter().any(|p| starts_with(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_blocked_in_any_case() {
        for value in [
            "",
            "0",
            "0000-00",
            "-1",
            "NULL",
            "None",
            "NaN",
            "[object Object]",
            "Test@Test.com",
            "NoReply@shop.example",
            "no-reply@",
        ] {
            assert!(is_blocked_by_default(value), "{value}");
        }
    }

    #[test]
    fn only_the_whole_value_counts() {
        for value in ["1", "-2", "00a", "nullable", "unknown@x", "atest@test.com", "xnoreply@shop.example"] {
            assert!(!is_blocked_by_default(value), "{value}");
        }
    }
}
