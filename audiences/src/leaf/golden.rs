use model::json::Json;
use semantic::{Comparison, Literal, Operator};

use super::Moment;
use crate::{
    compare::{Test, parse_time},
    timers::NEVER,
};

/// `{trait: ..}`: the golden record's value meets all comparisons.
///
/// State: whether the comparisons without a clock hold, and with relative dates the instant that the
/// value names. No state: as for a missing value.
#[derive(Debug, Clone)]
pub(crate) struct Golden {
    path: Box<str>,
    tests: Vec<Test>,
    relative: Vec<(Operator, i64)>,
}

impl Golden {
    pub(crate) fn compile(path: &str, comparisons: &[Comparison]) -> Self {
        let relative = comparisons.iter().filter_map(|comparison| match comparison.operands.first() {
            Some(Literal::Duration(d)) => {
                Some((comparison.operator, i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
            }
            _ => None,
        });
        Self {
            path: path.into(),
            tests: comparisons.iter().filter_map(Test::compile).collect(),
            relative: relative.collect(),
        }
    }

    /// The state for the present golden record, in `out`.
    pub(crate) fn read(&self, traits: &dyn Fn(&str) -> Option<String>, out: &mut Vec<u64>) {
        out.clear();
        let (text, inner) = match (traits(&self.path), self.path.split_once('.')) {
            (Some(text), _) => (Some(text), None),
            (None, Some((head, rest))) => (traits(head), Some(rest)),
            (None, None) => (None, None),
        };
        let parsed = text.as_ref().and_then(|text| Json::parse(text.as_bytes()).ok());
        let value = parsed.as_ref().map(|parsed| &parsed.value);
        let value = match inner {
            Some(path) => value.and_then(|value| value.path(path)),
            None => value,
        };
        let value = value.filter(|value| value.as_str().is_none_or(|text| !text.trim().is_empty()));
        let holds = self.holds(value);
        if self.relative.is_empty() {
            if holds != self.holds(None) {
                out.push(u64::from(holds));
            }
        } else if let Some(time) = value.and_then(Json::as_str).and_then(parse_time).filter(|_| holds) {
            // On the grid of whole milliseconds an instant begins at the next one.
            out.push(
                time.as_micros().div_euclid(1_000).saturating_add(i64::from(time.as_micros() % 1_000 != 0))
                    as u64,
            );
        }
    }

    pub(crate) fn at(&self, state: &[u64], now: i64) -> Moment {
        if self.relative.is_empty() {
            let holds = state.first().map_or_else(|| self.holds(None), |word| *word == 1);
            return Moment { holds, until: NEVER };
        }
        let Some(v) = state.first().map(|word| *word as i64) else {
            return Moment { holds: false, until: NEVER };
        };
        let mut moment = Moment { holds: true, until: NEVER };
        for (operator, d) in &self.relative {
            let (from, to) = span(*operator, v, *d);
            moment.holds &= from <= now && now < to;
            for edge in [from, to] {
                if edge > now {
                    moment.until = moment.until.min(edge);
                }
            }
        }
        moment
    }

    fn holds(&self, value: Option<&Json<'_>>) -> bool {
        self.tests.iter().all(|test| test.holds(value))
    }
}

/// The instants T, half-open, at which a relative operator holds for the value `v`.
fn span(operator: Operator, v: i64, d: i64) -> (i64, i64) {
    match operator {
        Operator::WithinLast => (v, v.saturating_add(d)),
        Operator::BeforeLast => (v.saturating_add(d), NEVER),
        Operator::WithinNext => (v.saturating_sub(d), v),
        Operator::AfterNext => (i64::MIN, v.saturating_sub(d)),
        _ => (NEVER, NEVER),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn relative(operator: Operator) -> Golden {
        let operands = vec![Literal::Duration(Duration::from_millis(100))];
        Golden::compile("when", &[Comparison { operator, operands }])
    }

    #[test]
    fn the_four_relative_operators_cut_time_into_parts() {
        let operators =
            [Operator::AfterNext, Operator::WithinNext, Operator::WithinLast, Operator::BeforeLast];
        let at = |now: i64| {
            let hold = |op| relative(op).at(&[1_000], now).holds;
            operators
                .iter()
                .position(|op| hold(*op))
                .filter(|_| operators.iter().filter(|op| hold(**op)).count() == 1)
        };
        for (now, expect) in
            [(0, 0), (899, 0), (900, 1), (999, 1), (1_000, 2), (1_099, 2), (1_100, 3), (9_999, 3)]
        {
            assert_eq!(at(now), Some(expect), "at {now}");
        }
        assert_eq!(relative(Operator::WithinNext).at(&[1_000], 0).until, 900);
        assert_eq!(relative(Operator::WithinNext).at(&[1_000], 900).until, 1_000);
        assert_eq!(relative(Operator::WithinNext).at(&[1_000], 1_000).until, NEVER);
    }

    #[test]
    fn missing_blank_and_other_values_have_no_state() {
        let mut state = Vec::new();
        for text in ["null", "\"\"", "\"  \"", "5", "\"soon\"", "{"] {
            relative(Operator::WithinLast).read(&|_| Some(text.to_owned()), &mut state);
            assert!(state.is_empty(), "{text}");
        }
        relative(Operator::WithinLast)
            .read(&|_| Some("\"1970-01-01T00:00:01.0001Z\"".to_owned()), &mut state);
        assert_eq!(state, [1_001]);
    }

    #[test]
    fn a_dotted_path_looks_into_the_value() {
        let leaf = Golden::compile(
            "address.city",
            &[Comparison { operator: Operator::Eq, operands: vec![Literal::Text("Lyon".into())] }],
        );
        let mut state = Vec::new();
        leaf.read(&|path| (path == "address").then(|| r#"{"city":"Lyon"}"#.to_owned()), &mut state);
        assert!(leaf.at(&state, 0).holds);
        leaf.read(&|path| (path == "address.city").then(|| "\"Paris\"".to_owned()), &mut state);
        assert!(!leaf.at(&state, 0).holds);
    }
}
