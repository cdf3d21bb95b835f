use std::time::Duration;

/// Reads `90s`, `1h30m`, `7d`, `2w`, `500ms` or dbt's `7 days`; whole milliseconds, more than none
/// written. A day has 24 hours, a week 7 days.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Some((count, unit)) = text.split_once(' ') {
        let unit = match unit.trim_end_matches('s') {
            "millisecond" => 1,
            "second" => 1_000,
            "minute" => 60_000,
            "hour" => 3_600_000,
            "day" => 86_400_000,
            "week" => 604_800_000,
            _ => return None,
        };
        return Some(Duration::from_millis(number(count)?.checked_mul(unit)?));
    }
    let mut rest = text;
    let mut millis = 0_u64;
    let mut previous = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let count = number(&rest[..digits])?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_lowercase).count();
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return None,
        };
        if unit >= previous {
            return None;
        }
        previous = unit;
        rest = &rest[letters..];
        millis = millis.checked_add(count.checked_mul(unit)?)?;
    }
    (previous != u64::MAX).then(|| Duration::from_millis(millis))
}

fn number(digits: &str) -> Option<u64> {
    // Twelve digits of weeks still fit into 64 bits of milliseconds; more are a slip.
    (!digits.is_empty() && digits.len() <= 12 && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

/// The shortest spelling, largest unit first: `1h30m`.
pub(crate) fn write(duration: Duration) -> String {
    let mut millis = duration.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")] {
        let count = millis / unit;
        if count > 0 {
            out.push_str(&format!("{count}{name}"));
            millis %= unit;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read() {
        for (text, millis) in [
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("2w", 1_209_600_000),
            ("500ms", 500),
            ("7 days", 604_800_000),
            ("1 hour", 3_600_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "7",
            "d",
            "7x",
            "30m1h",
            "1h1h",
            "-1s",
            "1.5h",
            "7  days",
            "9999999999999d",
            "999999999999w",
            "1 month",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn spellings_of_one_duration_are_written_alike() {
        for (text, expect) in [("90s", "1m30s"), ("7 days", "7d"), ("2w", "14d"), ("0s", "0s"), ("24h", "1d")]
        {
            assert_eq!(write(parse(text).unwrap()), expect);
        }
    }
}
