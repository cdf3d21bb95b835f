//! Snowflake's dialect.

use model::Timestamp;
use sqlparser::ast::{BinaryOperator, DataType, Expr, TableFactor, TimezoneInfo};

use super::{
    build::{self, call, cast, number, operand, text, within_group},
    dialect::{NO_APPROXIMATE_DISCRETE, Words, timestamp_literal, zoneless},
};
use crate::{DatePart, Grain, Percentile, query::POINT};

pub(super) struct Snowflake;

impl Words for Snowflake {
    fn date_trunc(&self, grain: Grain, time: Expr) -> Result<Expr, String> {
        let time = cast(time, DataType::Timestamp(None, TimezoneInfo::None));
        Ok(call("date_trunc", vec![text(grain.as_str()), time]))
    }

    fn date_part(&self, part: DatePart, time: Expr) -> Expr {
        let word = match part {
            DatePart::Dow => "dayofweek_iso",
            DatePart::Doy => "dayofyear",
            other => other.as_str(),
        };
        cast(call("date_part", vec![text(word), time]), DataType::BigInt(None))
    }

    fn shift(&self, time: Expr, count: i64, grain: Grain) -> Result<Expr, String> {
        Ok(call("dateadd", vec![text(grain.as_str()), number(count), time]))
    }

    fn timestamp(&self, at: Timestamp) -> Expr {
        timestamp_literal(zoneless(at))
    }

    fn double(&self) -> DataType {
        DataType::DoublePrecision
    }

    fn percentile(&self, percentile: Percentile, value: Expr) -> Result<Expr, String> {
        let fraction = number(percentile.fraction);
        match (percentile.discrete, percentile.approximate) {
            (false, false) => Ok(within_group("percentile_cont", fraction, cast(value, self.double()))),
            (true, false) => Ok(within_group("percentile_disc", fraction, operand(value))),
            (false, true) => Ok(call("approx_percentile", vec![value, fraction])),
            (true, true) => Err(NO_APPROXIMATE_DISCRETE.to_owned()),
        }
    }

    fn approx_distinct(&self, value: Expr) -> Result<Expr, String> {
        Ok(call("approx_count_distinct", vec![value]))
    }

    fn points(
        &self,
        from: Timestamp,
        to: Timestamp,
        grain: Grain,
        alias: &str,
    ) -> Result<TableFactor, String> {
        let length = call("datediff", vec![text(grain.as_str()), self.timestamp(from), self.timestamp(to)]);
        let last = build::binary(length, BinaryOperator::Plus, number(1));
        let numbers = call("array_generate_range", vec![number(0), last]);
        let flat = build::flatten(numbers, "numbers");
        let at = call(
            "dateadd",
            vec![text(grain.as_str()), build::column("numbers", "value"), self.timestamp(from)],
        );
        let parts = build::Parts {
            projection: vec![build::named(at, POINT)],
            from: Some(flat),
            ..build::Parts::default()
        };
        Ok(build::derived(build::query(build::select(parts), &[], None), alias))
    }
}
