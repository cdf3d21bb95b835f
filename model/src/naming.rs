//! Names of tables and columns made from names of events and properties (`collector.md` §14). The
//! result equals RudderStack's default, so existing queries keep working.

/// Event tables that would take the name of a standard table get a leading underscore.
const STANDARD_TABLES: [&str; 8] =
    ["tracks", "pages", "screens", "aliases", "groups", "accounts", "users", "identifies"];

/// Column name of a property, trait or context path: words in lower case, joined by `_`.
///
/// ```
/// # use model::naming::column_name;
/// assert_eq!(column_name("isISO8601"), "is_iso8601");
/// assert_eq!(column_name("24h Report"), "_24h_report");
/// ```
pub fn column_name(raw: &str) -> String {
    let leading = raw.bytes().take_while(|b| *b == b'_').count();
    let words: Vec<String> = raw.split(|c: char| !c.is_ascii_alphanumeric()).flat_map(words).collect();
    if words.is_empty() {
        return format!("etalon__{:08x}", fnv1a(raw));
    }
    let joined = words.join("_");
    let digit_first = leading == 0 && joined.as_bytes()[0].is_ascii_digit();
    format!("{}{}{joined}", "_".repeat(leading), if digit_first { "_" } else { "" })
}

/// Table name of an event.
pub fn event_table_name(event: &str) -> String {
    let name = column_name(event);
    if STANDARD_TABLES.contains(&name.as_str()) { format!("_{name}") } else { name }
}

/// Cuts a run of letters and digits into words; the first pattern that matches wins, each greedy.
fn words(run: &str) -> Vec<String> {
    let bytes = run.as_bytes();
    let span = |from: usize, of: fn(&u8) -> bool| bytes[from..].iter().take_while(|b| of(b)).count();
    let mut words = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = word_length(bytes, at, span);
        words.push(run[at..at + length].to_ascii_lowercase());
        at += length;
    }
    words
}

fn word_length(bytes: &[u8], at: usize, span: impl Fn(usize, fn(&u8) -> bool) -> usize) -> usize {
    let upper = span(at, u8::is_ascii_uppercase);
    // `[A-Z]?[a-z]+[0-9]*`
    let lower = if upper <= 1 { span(at + upper, u8::is_ascii_lowercase) } else { 0 };
    if lower > 0 {
        return upper + lower + span(at + upper + lower, u8::is_ascii_digit);
    }
    if upper > 0 {
        // `[A-Z]+[0-9]+`, else `[A-Z]+` not followed by a lower-case letter.
        let digits = span(at + upper, u8::is_ascii_digit);
        let lower_follows = bytes.get(at + upper).is_some_and(u8::is_ascii_lowercase);
        return if digits > 0 { upper + digits } else { upper - usize::from(lower_follows) };
    }
    let digits = span(at, u8::is_ascii_digit);
    // `[0-9]+[A-Z]?[a-z]+`
    let capital = usize::from(bytes.get(at + digits).is_some_and(u8::is_ascii_uppercase));
    let lower = span((at + digits + capital).min(bytes.len()), u8::is_ascii_lowercase);
    if lower > 0 {
        return digits + capital + lower;
    }
    // `[0-9]+[A-Z]+`, else `[0-9]+`.
    digits + span(at + digits, u8::is_ascii_uppercase)
}

fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_equal_the_published_table() {
        let table = [
            ("Order Completed", "order_completed"),
            ("isISO8601", "is_iso8601"),
            ("24h Report", "_24h_report"),
            ("orderCompleted", "order_completed"),
            ("tooLegit2Quit", "too_legit2_quit"),
            ("abc123def456", "abc123_def456"),
            ("Product Added (v2)", "product_added_v2"),
            ("XMLHttpRequest", "xml_http_request"),
            ("iOS App", "i_os_app"),
            ("$current_url", "current_url"),
            ("__meta", "__meta"),
            ("path to $1,00,000", "path_to_1_00_000"),
            ("address.postalCode", "address_postal_code"),
            ("userID", "user_id"),
            ("Größe", "gr_e"),
        ];
        for (raw, expect) in table {
            assert_eq!(column_name(raw), expect, "{raw}");
        }
    }

    #[test]
    fn event_tables_keep_clear_of_standard_tables() {
        assert_eq!(event_table_name("Users"), "_users");
        assert_eq!(event_table_name("Order Completed"), "order_completed");
    }

    #[test]
    fn a_name_without_letters_or_digits_is_a_hash() {
        assert!(column_name("€€").starts_with("etalon__"));
        assert_ne!(column_name("€€"), column_name("€"));
    }

    proptest::proptest! {
        #[test]
        fn every_name_is_a_plain_identifier(raw in ".*") {
            let name = column_name(&raw);
            proptest::prop_assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
            proptest::prop_assert!(!name.is_empty() && !name.as_bytes()[0].is_ascii_digit());
        }
    }
}
