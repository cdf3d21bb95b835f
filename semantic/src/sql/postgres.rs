//! PostgreSQL's dialect, 15 and later.

use model::Timestamp;
use sqlparser::ast::{BinaryOperator, DataType, Expr, SelectItem, TableFactor, TimezoneInfo};

use super::{
    build::{Parts, binary, call, cast, derived, named, number, operand, query, select, text, within_group},
    dialect::{Words, interval, timestamp_literal, zoneless},
};
use crate::{DatePart, Grain, Percentile, query::POINT};

pub(super) struct PostgreSql;

/// Longest name, in bytes; longer ones are cut without a word.
const MAX_NAME: usize = 63;

fn timestamp_type() -> DataType {
    DataType::Timestamp(None, TimezoneInfo::None)
}

impl Words for PostgreSql {
    fn date_trunc(&self, grain: Grain, time: Expr) -> Result<Expr, String> {
        // A date would be cut to a time with a zone, and a text not at all.
        let time = cast(time, timestamp_type());
        Ok(match grain {
            // Nothing is finer than the microseconds that are stored.
            Grain::Nanosecond | Grain::Microsecond => time,
            Grain::Millisecond => call("date_trunc", vec![text("milliseconds"), time]),
            other => call("date_trunc", vec![text(other.as_str()), time]),
        })
    }

    fn date_part(&self, part: DatePart, time: Expr) -> Expr {
        let word = if part == DatePart::Dow { "isodow" } else { part.as_str() };
        let time = cast(time, timestamp_type());
        cast(call("date_part", vec![text(word), time]), DataType::BigInt(None))
    }

    fn shift(&self, time: Expr, count: i64, grain: Grain) -> Result<Expr, String> {
        if grain == Grain::Nanosecond {
            return Err("a window of nanoseconds; use microseconds".to_owned());
        }
        let op = if count < 0 { BinaryOperator::Minus } else { BinaryOperator::Plus };
        Ok(binary(cast(time, timestamp_type()), op, interval(count.abs(), grain)))
    }

    fn timestamp(&self, at: Timestamp) -> Expr {
        timestamp_literal(zoneless(at))
    }

    fn double(&self) -> DataType {
        DataType::DoublePrecision
    }

    fn percentile(&self, percentile: Percentile, value: Expr) -> Result<Expr, String> {
        if percentile.approximate {
            return Err("an approximate percentile; set use_approximate_percentile to false".to_owned());
        }
        let fraction = number(percentile.fraction);
        Ok(if percentile.discrete {
            within_group("percentile_disc", fraction, operand(value))
        } else {
            within_group("percentile_cont", fraction, cast(value, self.double()))
        })
    }

    fn approx_distinct(&self, _: Expr) -> Result<Expr, String> {
        Err("an approximate distinct count; use count_distinct".to_owned())
    }

    fn points(
        &self,
        from: Timestamp,
        to: Timestamp,
        grain: Grain,
        alias: &str,
    ) -> Result<TableFactor, String> {
        let series = vec![self.timestamp(from), self.timestamp(to), interval(1, grain)];
        let projection: Vec<SelectItem> = vec![named(call("generate_series", series), POINT)];
        Ok(derived(query(select(Parts { projection, ..Parts::default() }), &[], None), alias))
    }

    fn nulls_are_typed_by_unions(&self) -> bool {
        false
    }

    fn name(&self, name: &str) -> String {
        if name.len() <= MAX_NAME {
            return name.to_owned();
        }
        // Two long names may begin alike: the end of the name becomes a hash of the whole.
        let mut cut = MAX_NAME - 9;
        while !name.is_char_boundary(cut) {
            cut -= 1;
        }
        format!("{}_{:08x}", &name[..cut], crate::hash::of_text(name) & 0xffff_ffff)
    }
}
