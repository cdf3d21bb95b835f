use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// An instant in microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the epoch, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// The instant `duration` later, or the last representable one.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The instant `duration` earlier, or the first representable one.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339 and the forms SDKs send: date alone, blank instead of `T`, seconds or fraction
    /// left out, no zone (taken as UTC). Years 1 to 9999. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| -> Option<i64> {
            let part = bytes.get(from..to)?;
            part.iter().try_fold(0_i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
        };
        let byte = |at: usize| bytes.get(at).copied();
        if byte(4)? != b'-' || byte(7)? != b'-' {
            return None;
        }
        let days = days_from_civil(number(0, 4)?, number(5, 7)?, number(8, 10)?)?;
        let midnight = days * 86_400;
        if bytes.len() == 10 {
            return Some(Self(midnight * 1_000_000));
        }
        if !matches!(byte(10)?, b'T' | b't' | b' ') || byte(13)? != b':' {
            return None;
        }
        let (hour, minute) = (number(11, 13)?, number(14, 16)?);
        let mut at = 16;
        let mut second = 0;
        let mut micros = 0;
        if byte(at) == Some(b':') {
            second = number(17, 19)?;
            at = 19;
            if byte(at) == Some(b'.') {
                let digits = bytes[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
                if digits == 0 {
                    return None;
                }
                let used = digits.min(6);
                micros = number(at + 1, at + 1 + used)? * 10_i64.pow(6 - used as u32);
                at += 1 + digits;
            }
        }
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let zone = zone_seconds(&text[at..])?;
        let seconds = midnight + hour * 3_600 + minute * 60 + second - zone;
        Some(Self(seconds * 1_000_000 + micros))
    }
}

/// Offset of a zone suffix in seconds east of UTC: ``, `Z`, `+02:00`, `+0200`, `+02`.
fn zone_seconds(suffix: &str) -> Option<i64> {
    let suffix = suffix.trim_start_matches(' ');
    if suffix.is_empty() || suffix.eq_ignore_ascii_case("z") || suffix == "UTC" {
        return Some(0);
    }
    let sign = match suffix.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = suffix[1..].chars().filter(|c| *c != ':').collect();
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = match digits.len() {
        2 => (digits.parse::<i64>().ok()?, 0),
        4 => (digits[..2].parse::<i64>().ok()?, digits[2..].parse::<i64>().ok()?),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Days since the epoch of a proleptic Gregorian date (H. Hinnant, "chrono-compatible low-level date
/// algorithms"), or `None` for a day that does not exist.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=9999).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    Some(era * 146_097 + doe - 719_468)
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z - era * 146_097;
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

/// RFC 3339 in UTC with milliseconds, or microseconds where there are any.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(1_000_000);
        let micros = self.0.rem_euclid(1_000_000);
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let time = seconds.rem_euclid(86_400);
        let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if micros % 1_000 == 0 { write!(f, ".{:03}Z", micros / 1_000) } else { write!(f, ".{micros:06}Z") }
    }
}

/// Where time comes from. Nothing below `gateway` reads the machine's clock in any other way.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// Wall-clock time; may jump.
    fn now(&self) -> Timestamp;
    /// Time since some fixed instant; never goes back. For measuring and for deadlines.
    fn monotonic(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that moves only when told to, for tests and replays.
#[derive(Debug)]
pub struct ManualClock {
    micros: AtomicI64,
    start: i64,
}

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { micros: AtomicI64::new(now.0), start: now.0 }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.micros.fetch_add(micros, Ordering::SeqCst);
    }

    /// Sets the clock, backwards too.
    pub fn set(&self, now: Timestamp) {
        self.micros.store(now.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.micros.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        let elapsed = self.micros.load(Ordering::SeqCst).saturating_sub(self.start);
        Duration::from_micros(u64::try_from(elapsed).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        let parsed = Timestamp::parse(text).map(|t| t.to_string());
        assert_eq!(parsed.as_deref(), expect, "{text}");
    }

    #[test]
    fn reads_the_forms_sdks_send() {
        check("2026-11-21T00:23:34.479Z", Some("2026-11-21T00:23:34.479Z"));
        check("2026-11-21T00:23:34.479123+00:00", Some("2026-11-21T00:23:34.479123Z"));
        check("2026-11-21T02:23:34+02:00", Some("2026-11-21T00:23:34.000Z"));
        check("2026-11-21 00:23", Some("2026-11-21T00:23:00.000Z"));
        check("2020-02-29", Some("2020-02-29T00:00:00.000Z"));
        check("1969-12-31T23:59:59.999Z", Some("1969-12-31T23:59:59.999Z"));
        check("2020-01-01T00:00:00", Some("2020-01-01T00:00:00.000Z"));
        check("2020-01-01T00:00:00.123456789Z", Some("2020-01-01T00:00:00.123456Z"));
    }

    #[test]
    fn refuses_what_is_not_a_time() {
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2025-02-29",
            "2026-11-21T25:00:00Z",
            "2026-11-21T00:00:00+99:99",
            "20261121",
            "2026-11-21T00:00:00.Z",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(Timestamp::from_millis(5));
        clock.advance(Duration::from_millis(7));
        assert_eq!(clock.now().as_millis(), 12);
        assert_eq!(clock.monotonic(), Duration::from_millis(7));
    }
}
