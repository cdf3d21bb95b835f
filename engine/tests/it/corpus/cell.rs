use arrow::temporal_conversions::timestamp_us_to_datetime;
use model::Timestamp;

/// One value of a result, whichever engine it came from.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Boolean(bool),
    Whole(i128),
    /// Not a whole number.
    Fraction(f64),
    /// Nanoseconds since the epoch.
    Time(i128),
    Text(String),
}

impl Cell {
    pub fn number(value: f64) -> Self {
        // Beyond that, a float says nothing about single units.
        match value.fract() == 0.0 && value.abs() < 1e18 {
            true => Self::Whole(value as i128),
            false => Self::Fraction(value),
        }
    }

    /// `unscaled / 10^scale`.
    pub fn decimal(unscaled: i128, scale: i8) -> Self {
        let one = 10_i128.pow(u32::try_from(scale).unwrap());
        match unscaled % one {
            0 => Self::Whole(unscaled / one),
            _ => Self::Fraction(unscaled as f64 / one as f64),
        }
    }

    /// A number in text form.
    pub fn parse_number(text: &str) -> Option<Self> {
        match text.parse() {
            Ok(whole) => Some(Self::Whole(whole)),
            Err(_) => text.parse().ok().map(Self::number),
        }
    }

    /// A time in text form, with up to nine digits of fraction.
    pub fn parse_time(text: &str) -> Option<Self> {
        let micros = i128::from(Timestamp::parse(text)?.as_micros());
        let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
        let digits: String =
            fraction.chars().take_while(char::is_ascii_digit).skip(6).chain("000".chars()).take(3).collect();
        Some(Self::Time(micros * 1_000 + digits.parse::<i128>().ok()?))
    }

    /// The text that orders and check sums are made of.
    pub fn canonical(&self) -> String {
        match self {
            Self::Null => r"\N".to_owned(),
            Self::Boolean(value) => value.to_string(),
            Self::Whole(value) => value.to_string(),
            Self::Fraction(value) => exponent(*value),
            Self::Time(nanos) => time(*nanos),
            Self::Text(text) => text.clone(),
        }
    }

    /// Equal, numbers within `rel_tol`.
    pub fn agrees(&self, other: &Self, rel_tol: f64) -> bool {
        match (self.as_number(), other.as_number()) {
            (Some(a), Some(b)) => (a - b).abs() <= (rel_tol * a.abs().max(b.abs())).max(1e-9),
            _ => self == other,
        }
    }

    fn as_number(&self) -> Option<f64> {
        match self {
            Self::Whole(value) => Some(*value as f64),
            Self::Fraction(value) => Some(*value),
            _ => None,
        }
    }
}

/// C's `%.5e`: at least two digits of exponent, and its sign.
fn exponent(value: f64) -> String {
    let text = format!("{value:.5e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let exponent: i32 = exponent.parse().unwrap();
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

fn time(nanos: i128) -> String {
    let micros = i64::try_from(nanos.div_euclid(1_000)).unwrap();
    let at = timestamp_us_to_datetime(micros).unwrap();
    let seconds = at.format("%Y-%m-%dT%H:%M:%S");
    match (nanos.rem_euclid(1_000), micros.rem_euclid(1_000_000)) {
        (0, 0) => seconds.to_string(),
        (0, fraction) => format!("{seconds}.{fraction:06}"),
        (rest, fraction) => format!("{seconds}.{fraction:06}{rest:03}"),
    }
}

#[test]
fn cells_have_one_text() {
    let check = |cell: Cell, expect: &str| assert_eq!(cell.canonical(), expect);
    check(Cell::Null, r"\N");
    check(Cell::number(5.0), "5");
    check(Cell::number(-0.0), "0");
    check(Cell::number(1234.5), "1.23450e+03");
    check(Cell::number(0.000_25), "2.50000e-04");
    check(Cell::decimal(500, 2), "5");
    check(Cell::decimal(-123_450, 2), "-1.23450e+03");
    check(Cell::parse_number("12.000").unwrap(), "12");
    check(Cell::parse_time("2020-01-01").unwrap(), "2020-01-01T00:00:00");
    check(Cell::parse_time("2020-01-01 10:00:00.5").unwrap(), "2020-01-01T10:00:00.500000");
    check(Cell::parse_time("1969-12-31T23:59:59.000000007").unwrap(), "1969-12-31T23:59:59.000000007");
}
