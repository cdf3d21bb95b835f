use semantic::{Comparison, Window};

use super::Moment;
use crate::{compare::Test, timers::NEVER};

/// `{event: .., window, count}`: the number of calls in the window meets all comparisons.
///
/// No comparison can tell counts above its bound apart, so the latest `bound` calls are the whole
/// state: with a window their times, ascending; without one just their number.
#[derive(Debug, Clone)]
pub(crate) struct Count {
    within: Option<i64>,
    tests: Vec<Test>,
    bound: usize,
    /// Truth for 0 to 63 calls, where the bound is that small.
    small: Option<u64>,
}

impl Count {
    pub(crate) fn compile(window: Window, count: &[Comparison]) -> Self {
        let tests: Vec<Test> =
            count.iter().map(|comparison| Test::compile(comparison).unwrap_or(Test::Never)).collect();
        let bound = tests.iter().map(Test::bound).max().unwrap_or(0).min(u64::from(u32::MAX)) as usize;
        let within = match window {
            Window::Ever => None,
            Window::Within(width) => Some(i64::try_from(width.as_millis()).unwrap_or(i64::MAX)),
        };
        let mut leaf = Self { within, tests, bound, small: None };
        if bound < 64 {
            let truths = (0..=bound).map(|count| u64::from(leaf.met_by(count)) << count);
            leaf.small = Some(truths.fold(0, |all, one| all | one));
        }
        leaf
    }

    /// The state after a call at `t`, in `out`; false if the call changes nothing. A late call counts
    /// from its own time (EV-8); one whose window is over can never count again.
    pub(crate) fn update(&self, state: &[u64], t: i64, clock: i64, out: &mut Vec<u64>) -> bool {
        out.clear();
        let Some(within) = self.within else {
            let count = state.first().copied().unwrap_or(0);
            out.push(count + 1);
            return count < self.bound as u64;
        };
        if self.bound == 0 || t.saturating_add(within) <= clock {
            return false;
        }
        let over = state.partition_point(|word| time(*word).saturating_add(within) <= clock);
        let live = &state[over..];
        let place = live.partition_point(|word| time(*word) <= t);
        if place == 0 && live.len() == self.bound {
            return false;
        }
        let dropped = usize::from(live.len() == self.bound);
        out.extend_from_slice(&live[dropped..place]);
        out.push(t as u64);
        out.extend_from_slice(&live[place..]);
        true
    }

    /// The calls of both, as far as they can matter.
    pub(crate) fn merge(&self, state: &mut Vec<u64>, other: &[u64]) {
        if self.within.is_none() {
            let count = state.first().copied().unwrap_or(0) + other.first().copied().unwrap_or(0);
            state.clear();
            state.push(count.min(self.bound as u64));
            return;
        }
        state.extend_from_slice(other);
        state.sort_unstable_by_key(|word| time(*word));
        let surplus = state.len().saturating_sub(self.bound);
        state.drain(..surplus);
    }

    /// Truth at `now`; until the first exit from the window that turns it.
    pub(crate) fn at(&self, state: &[u64], now: i64) -> Moment {
        let Some(within) = self.within else {
            let count = state.first().copied().unwrap_or(0);
            return Moment { holds: self.met_by(count as usize), until: NEVER };
        };
        let live = live(state, within, now);
        let holds = self.met_by(live.len());
        for (gone, pair) in live.iter().zip(live.iter().skip(1).map(Some).chain([None])).enumerate() {
            // Calls of one millisecond leave together.
            let together = pair.1 == Some(pair.0);
            if !together && self.met_by(live.len() - gone - 1) != holds {
                return Moment { holds, until: time(*pair.0).saturating_add(within) };
            }
        }
        Moment { holds, until: NEVER }
    }

    /// "2 of 3": calls that count now, of those that can matter.
    pub(crate) fn value(&self, state: &[u64], now: i64) -> String {
        let count = match self.within {
            None => state.first().copied().unwrap_or(0) as usize,
            Some(within) => live(state, within, now).len(),
        };
        format!("{count} of {}", self.bound)
    }

    fn met_by(&self, count: usize) -> bool {
        match self.small {
            Some(truths) => truths >> count.min(self.bound) & 1 == 1,
            None => self.tests.iter().all(|test| test.holds_count(count as u64)),
        }
    }
}

fn time(word: u64) -> i64 {
    word as i64
}

/// The calls that are in the window at `now`.
fn live(state: &[u64], within: i64, now: i64) -> &[u64] {
    &state[state.partition_point(|word| time(*word).saturating_add(within) <= now)..]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use semantic::{Literal, Operator};

    use super::*;

    fn count(operators: &[(Operator, &str)], within: Option<u64>) -> Count {
        let comparisons: Vec<_> = operators
            .iter()
            .map(|(operator, operand)| Comparison {
                operator: *operator,
                operands: vec![Literal::Number((*operand).into())],
            })
            .collect();
        let window = within.map_or(Window::Ever, |ms| Window::Within(Duration::from_millis(ms)));
        Count::compile(window, &comparisons)
    }

    /// Folds the calls, then gives (truth, until) at `now`.
    fn check(leaf: &Count, calls: &[i64], now: i64, expect: (bool, i64)) {
        let mut state = Vec::new();
        let mut next = Vec::new();
        for t in calls {
            if leaf.update(&state, *t, now, &mut next) {
                std::mem::swap(&mut state, &mut next);
            }
        }
        let moment = leaf.at(&state, now);
        assert_eq!((moment.holds, moment.until), expect, "{calls:?} at {now}");
        assert!(state.len() <= leaf.bound);
    }

    #[test]
    fn a_member_leaves_with_the_call_that_breaks_the_count() {
        let three = count(&[(Operator::Gte, "3")], Some(100));
        check(&three, &[10, 20], 30, (false, NEVER));
        check(&three, &[10, 30, 20], 30, (true, 110));
        check(&three, &[5, 10, 20, 30, 40], 50, (true, 120));
        check(&three, &[10, 20, 30], 110, (false, NEVER));
        check(&three, &[20, 20, 20], 119, (true, 120));
    }

    #[test]
    fn exact_counts_can_come_and_go() {
        let two = count(&[(Operator::Eq, "2")], Some(100));
        check(&two, &[1, 2, 3], 10, (false, 101));
        check(&two, &[1, 1, 1], 10, (false, NEVER));
        check(&two, &[1, 1, 2], 10, (false, NEVER));
        check(&two, &[1, 2, 2], 10, (false, 101));
        check(&two, &[1, 2], 10, (true, 101));
        let none = count(&[(Operator::Eq, "0")], Some(100));
        check(&none, &[], 10, (true, NEVER));
        check(&none, &[5, 3], 10, (false, 105));
    }

    #[test]
    fn without_a_window_only_the_number_is_kept() {
        let three = count(&[(Operator::Gte, "2.5")], None);
        check(&three, &[1, 2], 10, (false, NEVER));
        check(&three, &[1, 2, 3, 4, 5], 10, (true, NEVER));
    }

    #[test]
    fn large_and_odd_bounds_are_exact() {
        let many = count(&[(Operator::Gt, "99")], Some(1_000));
        let calls: Vec<i64> = (0..150).collect();
        check(&many, &calls[..99], 200, (false, NEVER));
        check(&many, &calls, 200, (true, 1_050));
        check(&count(&[(Operator::Gte, "-1")], Some(10)), &[1], 2, (true, NEVER));
        check(&count(&[(Operator::Gte, "1e30")], Some(10)), &[1], 2, (false, NEVER));
    }
}
