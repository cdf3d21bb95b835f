use std::{collections::VecDeque, time::Duration};

const WINDOW: Duration = Duration::from_secs(60);
const LEAST: usize = 20;
const FIRST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Stops requests to a receiver that fails most of them, and lets one probe through now and then.
/// Times are the clock's monotonic ones.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    recent: VecDeque<(Duration, bool)>,
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    until: Duration,
    pause: Duration,
}

impl Breaker {
    /// Notes an outcome.
    pub(crate) fn note(&mut self, now: Duration, success: bool) {
        if let Some(open) = self.open {
            // A request from before the breaker opened says nothing new unless it succeeded.
            if success {
                *self = Self::default();
            } else if now >= open.until {
                let pause = (open.pause * 2).min(LONGEST);
                self.open = Some(Open { until: now + pause, pause });
            }
            return;
        }
        self.recent.push_back((now, success));
        while self.recent.front().is_some_and(|(at, _)| *at + WINDOW < now) {
            self.recent.pop_front();
        }
        let failures = self.recent.iter().filter(|(_, success)| !success).count();
        if self.recent.len() >= LEAST && failures * 10 >= self.recent.len() * 7 {
            self.recent.clear();
            self.open = Some(Open { until: now + FIRST, pause: FIRST });
        }
    }

    /// How many requests may be in flight, out of `limit`.
    pub(crate) fn limit(&self, now: Duration, limit: usize) -> usize {
        match self.open {
            None => limit,
            Some(open) => usize::from(now >= open.until),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// When a probe may go, if the breaker is open.
    pub(crate) fn probe_at(&self) -> Option<Duration> {
        self.open.map(|open| open.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_at_seven_failures_of_ten_and_probes_ever_more_rarely() {
        let second = Duration::from_secs;
        let mut breaker = Breaker::default();
        for i in 0..20 {
            assert_eq!(breaker.limit(second(i), 4), 4);
            breaker.note(second(i), i % 10 < 3);
        }
        assert_eq!((breaker.limit(second(20), 4), breaker.limit(second(49), 4)), (0, 1));
        breaker.note(second(50), false);
        assert_eq!((breaker.limit(second(109), 4), breaker.limit(second(110), 4)), (0, 1));
        breaker.note(second(110), true);
        assert_eq!(breaker.limit(second(110), 4), 4);
    }

    #[test]
    fn old_failures_are_forgotten() {
        let mut breaker = Breaker::default();
        for i in 0..100 {
            breaker.note(Duration::from_secs(i * 10), false);
        }
        assert!(!breaker.is_open());
    }
}
