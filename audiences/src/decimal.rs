use std::cmp::Ordering;

/// Digits after the point.
const SCALE: usize = 9;
/// Numbers from here on count as missing: 10^20, unscaled.
const LIMIT: i128 = 100_000_000_000_000_000_000 * 1_000_000_000;

/// A number as DECIMAL(38,9), rounded half to even; exact, unlike a float (`audiences.md` §2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Decimal(i128);

impl Decimal {
    /// A whole number.
    pub(crate) fn whole(number: u64) -> Self {
        Self(i128::from(number) * 1_000_000_000)
    }

    /// The unscaled number, for hashes.
    pub(crate) fn unscaled(self) -> i128 {
        self.0
    }

    /// The smallest whole number that is not less; 0 for negative ones.
    pub(crate) fn ceil(self) -> u64 {
        u64::try_from((self.0.max(0) + 999_999_999) / 1_000_000_000).unwrap_or(u64::MAX)
    }

    /// The largest whole number that is not greater; `None` for negative ones.
    pub(crate) fn floor(self) -> Option<u64> {
        (self.0 >= 0).then(|| u64::try_from(self.0 / 1_000_000_000).unwrap_or(u64::MAX))
    }

    /// Reads the text of a JSON number; `None` for 10^20 and more, and for what is no number.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = || whole.bytes().chain(fraction.bytes());
        if digits().next().is_none() || !digits().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let leading = digits().take_while(|b| *b == b'0').count();
        let length = whole.len() + fraction.len();
        if leading == length {
            return Some(Self(0));
        }
        // Digits that stand before the cut at nine places after the point.
        let kept = i64::try_from(whole.len()).ok()?.saturating_add(exponent).saturating_add(SCALE as i64);
        let magnitude = round(digits(), leading, kept)?;
        let value = if negative { -magnitude } else { magnitude };
        (magnitude < LIMIT).then_some(Self(value))
    }
}

/// An exponent; one that does not fit is as good as the largest that does.
fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.parse().unwrap_or(i64::from(i32::MAX)).min(i64::from(i32::MAX));
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

/// The number of the first `kept` digits (padded with zeros), rounded half to even by the rest.
fn round(digits: impl Iterator<Item = u8>, leading: usize, kept: i64) -> Option<i128> {
    if kept - i64::try_from(leading).ok()? > 30 {
        return None;
    }
    let mut value: i128 = 0;
    let mut taken: i64 = 0;
    let mut rest = Rest::default();
    for digit in digits {
        if taken < kept {
            value = value * 10 + i128::from(digit - b'0');
        } else {
            rest.push(taken == kept, digit);
        }
        taken += 1;
    }
    if kept < 0 {
        return Some(0);
    }
    for _ in taken..kept {
        value *= 10;
    }
    let up = match rest.half() {
        Ordering::Less => false,
        Ordering::Equal => value % 2 == 1,
        Ordering::Greater => true,
    };
    Some(value + i128::from(up))
}

/// The digits behind the cut: the first one, and whether any later one is not zero.
#[derive(Default)]
struct Rest {
    first: u8,
    more: bool,
}

impl Rest {
    fn push(&mut self, first: bool, digit: u8) {
        if first {
            self.first = digit - b'0';
        } else {
            self.more |= digit != b'0';
        }
    }

    fn half(&self) -> Ordering {
        self.first.cmp(&5).then(self.more.cmp(&false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, unscaled: Option<i128>) {
        assert_eq!(Decimal::parse(text).map(Decimal::unscaled), unscaled, "{text}");
    }

    #[test]
    fn reads_numbers_exactly() {
        check("0", Some(0));
        check("-0.00", Some(0));
        check("1", Some(1_000_000_000));
        check("9.99", Some(9_990_000_000));
        check("-2.50", Some(-2_500_000_000));
        check("1e3", Some(1_000_000_000_000));
        check("1.5E-3", Some(1_500_000));
        check("0.1e1", Some(1_000_000_000));
        check("00012", Some(12_000_000_000));
        check("99999999999999999999.999999999", Some(LIMIT - 1));
    }

    #[test]
    fn rounds_half_to_even_at_nine_places() {
        check("0.0000000005", Some(0));
        check("0.0000000015", Some(2));
        check("0.00000000050000001", Some(1));
        check("0.0000000025", Some(2));
        check("5e-10", Some(0));
        check("6e-10", Some(1));
        check("9e-11", Some(0));
        check("9e-99999999999999999999", Some(0));
    }

    #[test]
    fn large_numbers_and_other_texts_are_missing() {
        for text in [
            "100000000000000000000",
            "1e20",
            "1e99999999999999999999",
            "-1e20",
            "99999999999999999999.9999999999",
            "",
            "-",
            ".",
            "e5",
            "1e",
            "abc",
            "1,5",
            "NaN",
        ] {
            check(text, None);
        }
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_whole_arithmetic(whole in -1_000_000_000_i64..1_000_000_000, micros in 0_u32..1_000_000) {
            let text = format!("{whole}.{micros:06}");
            let fraction = i128::from(micros) * 1_000;
            let magnitude = i128::from(whole.unsigned_abs()) * 1_000_000_000 + fraction;
            let expect = if text.starts_with('-') { -magnitude } else { magnitude };
            proptest::prop_assert_eq!(Decimal::parse(&text).unwrap().unscaled(), expect);
        }
    }
}
