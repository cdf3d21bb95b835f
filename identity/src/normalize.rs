use std::borrow::Cow;

use regex::Regex;
use semantic::Normalizer;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Longest usable value in bytes, after normalisation.
const LONGEST: usize = 512;

/// One normaliser, ready to run.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Lowercase,
    Email,
    Digits,
    Phone { country: Option<String> },
    Replace { pattern: Regex, text: String },
}

impl Step {
    /// `None` for `trim`, which always runs, and for a pattern that does not compile: loading the
    /// definitions refuses those.
    pub(crate) fn new(normalizer: &Normalizer) -> Option<Self> {
        Some(match normalizer {
            Normalizer::Trim => return None,
            Normalizer::Lowercase => Self::Lowercase,
            Normalizer::Email => Self::Email,
            Normalizer::Digits => Self::Digits,
            Normalizer::Phone { country } => Self::Phone { country: country.clone() },
            Normalizer::Replace { pattern, text } => {
                Self::Replace { pattern: Regex::new(pattern).ok()?, text: text.clone() }
            }
        })
    }

    fn apply<'a>(&self, value: Cow<'a, str>) -> Option<Cow<'a, str>> {
        match self {
            Self::Lowercase => Some(lowercase(value)),
            Self::Email => email(value),
            Self::Digits => Some(value.chars().filter(char::is_ascii_digit).collect::<String>().into()),
            Self::Phone { country } => phone(&value, country.as_deref()).map(Cow::Owned),
            Self::Replace { pattern, text } => match pattern.replace_all(&value, text.as_str()) {
                Cow::Borrowed(_) => Some(value),
                Cow::Owned(replaced) => Some(replaced.into()),
            },
        }
    }
}

/// The one text that all spellings of a value share; `None` if it is not usable.
pub(crate) fn normalize<'a>(raw: &'a str, steps: &[Step]) -> Option<Cow<'a, str>> {
    let raw = raw.trim();
    let mut value = match raw.is_ascii() || is_nfc_quick(raw.chars()) == IsNormalized::Yes {
        true => Cow::Borrowed(raw),
        false => Cow::Owned(raw.nfc().collect::<String>()),
    };
    for step in steps {
        value = step.apply(value)?;
    }
    // A replacement can leave blanks at the edges.
    if value.trim().len() != value.len() {
        value = Cow::Owned(value.trim().to_owned());
    }
    (1..=LONGEST).contains(&value.len()).then_some(value)
}

fn lowercase(value: Cow<'_, str>) -> Cow<'_, str> {
    let is_lower = value.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase());
    if is_lower { value } else { Cow::Owned(value.to_lowercase()) }
}

fn email(value: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let (local, domain) = value.split_once('@')?;
    let usable = !local.is_empty()
        && !domain.is_empty()
        && !domain.contains('@')
        && !value.contains(char::is_whitespace);
    usable.then(|| lowercase(value))
}

fn phone(value: &str, country: Option<&str>) -> Option<String> {
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    let number = if value.starts_with('+') {
        format!("+{digits}")
    } else if let Some(rest) = digits.strip_prefix("00") {
        format!("+{rest}")
    } else if let Some(country) = country {
        format!("+{country}{digits}")
    } else {
        digits
    };
    (7..=15).contains(&number.trim_start_matches('+').len()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(normalizers: &[Normalizer], raw: &str, expect: Option<&str>) {
        let steps: Vec<Step> = normalizers.iter().filter_map(Step::new).collect();
        assert_eq!(normalize(raw, &steps).as_deref(), expect, "{raw:?}");
    }

    #[test]
    fn every_value_is_trimmed_and_composed() {
        check(&[], "  a b ", Some("a b"));
        check(&[], "Zoe\u{308}", Some("Zoë"));
        check(&[], "  ", None);
        check(&[], &"x".repeat(512), Some(&"x".repeat(512)));
        check(&[], &"x".repeat(513), None);
    }

    #[test]
    fn an_email_has_one_at_and_no_blank() {
        check(&[Normalizer::Email], " A@B.com ", Some("a@b.com"));
        for raw in ["a", "@b", "a@", "a@b@c", "a b@c"] {
            check(&[Normalizer::Email], raw, None);
        }
    }

    #[test]
    fn a_phone_is_international_where_it_says_so() {
        let plain = [Normalizer::Phone { country: None }];
        let italian = [Normalizer::Phone { country: Some("39".to_owned()) }];
        check(&plain, "+39 (06) 1234-567", Some("+39061234567"));
        check(&plain, "0039061234567", Some("+39061234567"));
        check(&plain, "06 1234 567", Some("061234567"));
        check(&italian, "06 1234 567", Some("+39061234567"));
        check(&plain, "123456", None);
        check(&plain, "1234567890123456", None);
    }

    #[test]
    fn steps_run_in_order() {
        let replace = Normalizer::Replace { pattern: r"\+[^@]*@".to_owned(), text: "@".to_owned() };
        check(&[Normalizer::Lowercase, replace, Normalizer::Email], "Ann+news@X.io", Some("ann@x.io"));
        check(&[Normalizer::Digits], "A-7", Some("7"));
        check(&[Normalizer::Digits], "none", None);
    }
}
