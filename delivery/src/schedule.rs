use std::time::Duration;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Pauses before the second and later attempts, in seconds (`audiences.md` §8).
const PAUSES: [u64; 9] =
    [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];
/// The receiver's wish is followed up to here.
const LONGEST_WISH: Duration = Duration::from_secs(24 * HOUR);
/// An overloaded receiver is left alone for at least this long.
const OVERLOADED: Duration = Duration::from_secs(MINUTE);

/// How an attempt failed, as far as the schedule cares.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wish {
    /// 429, 502, 503, 504 or a timeout.
    pub(crate) overloaded: bool,
    /// `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
}

/// The pause after `attempts` failed attempts, +-20 %; `None` when the schedule is used up.
pub(crate) fn pause(attempts: u32, wish: Wish) -> Option<Duration> {
    let base = Duration::from_secs(*PAUSES.get(attempts.checked_sub(1)? as usize)?);
    let pause = base.mul_f64(StdRng::from_os_rng().random_range(0.8..=1.2));
    let least = if wish.overloaded { OVERLOADED } else { Duration::ZERO };
    let wished = wish.retry_after.unwrap_or_default().min(LONGEST_WISH);
    Some(pause.max(least).max(wished))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_follow_the_schedule_and_end() {
        for (attempt, seconds) in (1..).zip(PAUSES) {
            let pause = pause(attempt, Wish::default()).unwrap().as_secs_f64() / seconds as f64;
            assert!((0.8..=1.2).contains(&pause), "attempt {attempt}");
        }
        assert_eq!(pause(10, Wish::default()), None);
        assert_eq!(PAUSES.iter().sum::<u64>(), 75 * HOUR + 35 * MINUTE + 5);
    }

    #[test]
    fn the_receiver_may_ask_for_more_time() {
        let wish = |overloaded, seconds| Wish { overloaded, retry_after: Some(Duration::from_secs(seconds)) };
        assert_eq!(pause(1, wish(false, 120)), Some(Duration::from_secs(120)));
        assert_eq!(pause(1, wish(true, 1)), Some(Duration::from_secs(60)));
        assert_eq!(pause(1, wish(true, 999_999)), Some(Duration::from_secs(86_400)));
    }
}
