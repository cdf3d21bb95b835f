//! Periods of the calendar, for widening the bounds of a question (Q5).

use model::Timestamp;

use crate::Grain;

const DAY: i64 = 86_400_000_000;

/// The first instant of the period that holds an instant.
pub(super) fn start(grain: Grain, at: Timestamp) -> Timestamp {
    let micros = at.as_micros();
    let days = micros.div_euclid(DAY);
    let (year, month, _) = civil(days);
    let first = match grain {
        Grain::Nanosecond | Grain::Microsecond => return at,
        Grain::Millisecond => return cut(micros, 1_000),
        Grain::Second => return cut(micros, 1_000_000),
        Grain::Minute => return cut(micros, 60_000_000),
        Grain::Hour => return cut(micros, 3_600_000_000),
        Grain::Day => days,
        // The first of January 1970 was a Thursday.
        Grain::Week => days - (days + 3).rem_euclid(7),
        Grain::Month => from_civil(year, month, 1),
        Grain::Quarter => from_civil(year, (month - 1) / 3 * 3 + 1, 1),
        Grain::Year => from_civil(year, 1, 1),
    };
    Timestamp::from_micros(first.saturating_mul(DAY))
}

/// The first instant after the period that holds an instant.
pub(super) fn end(grain: Grain, at: Timestamp) -> Timestamp {
    let from = start(grain, at).as_micros();
    let (year, month, _) = civil(from.div_euclid(DAY));
    let months = |n: i64| {
        let next = month - 1 + n;
        from_civil(year + next.div_euclid(12), next.rem_euclid(12) + 1, 1).saturating_mul(DAY)
    };
    Timestamp::from_micros(match grain {
        // Nothing is finer than the microseconds that are stored.
        Grain::Nanosecond | Grain::Microsecond => from.saturating_add(1),
        Grain::Millisecond => from.saturating_add(1_000),
        Grain::Second => from.saturating_add(1_000_000),
        Grain::Minute => from.saturating_add(60_000_000),
        Grain::Hour => from.saturating_add(3_600_000_000),
        Grain::Day => from.saturating_add(DAY),
        Grain::Week => from.saturating_add(7 * DAY),
        Grain::Month => months(1),
        Grain::Quarter => months(3),
        Grain::Year => months(12),
    })
}

fn cut(micros: i64, unit: i64) -> Timestamp {
    Timestamp::from_micros(micros.div_euclid(unit) * unit)
}

/// Year, month and day of a number of days since 1970 (Hinnant's algorithm).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

fn from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let yoe = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let doy = (153 * shifted + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_hold_their_instant() {
        let check = |grain, at, expect: (&str, &str)| {
            let at = Timestamp::parse(at).unwrap();
            let bounds = (Timestamp::parse(expect.0).unwrap(), Timestamp::parse(expect.1).unwrap());
            assert_eq!((start(grain, at), end(grain, at)), bounds, "{grain}");
        };
        check(Grain::Hour, "2020-02-29T23:59:59Z", ("2020-02-29T23:00:00Z", "2020-03-01"));
        check(Grain::Day, "1969-12-31T12:00:00Z", ("1969-12-31", "1970-01-01"));
        check(Grain::Week, "2020-03-01", ("2020-02-24", "2020-03-02"));
        check(Grain::Week, "2020-03-02", ("2020-03-02", "2020-03-09"));
        check(Grain::Month, "2020-12-31", ("2020-12-01", "2021-01-01"));
        check(Grain::Quarter, "2020-05-15", ("2020-04-01", "2020-07-01"));
        check(Grain::Year, "1900-02-28", ("1900-01-01", "1901-01-01"));
    }
}
