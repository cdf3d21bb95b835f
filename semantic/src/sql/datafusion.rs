//! DataFusion's dialect.

use model::Timestamp;
use sqlparser::ast::{BinaryOperator, DataType, ExactNumberInfo, Expr, SelectItem, TableFactor};

use super::{
    build::{
        Parts, binary, call, cast, derived, named, number, operand, ordered_values, query, select, text,
    },
    dialect::{NO_APPROXIMATE_DISCRETE, Words, interval, timestamp_literal},
};
use crate::{DatePart, Grain, Percentile, query::POINT};

pub(super) struct DataFusion;

impl Words for DataFusion {
    fn date_trunc(&self, grain: Grain, time: Expr) -> Result<Expr, String> {
        // Nothing is finer than a nanosecond, and the engine has no such word.
        Ok(if grain == Grain::Nanosecond {
            time
        } else {
            call("date_trunc", vec![text(grain.as_str()), time])
        })
    }

    fn date_part(&self, part: DatePart, time: Expr) -> Expr {
        let word = if part == DatePart::Dow { "isodow" } else { part.as_str() };
        cast(call("date_part", vec![text(word), time]), DataType::BigInt(None))
    }

    fn shift(&self, time: Expr, count: i64, grain: Grain) -> Result<Expr, String> {
        let op = if count < 0 { BinaryOperator::Minus } else { BinaryOperator::Plus };
        Ok(binary(operand(time), op, interval(count.abs(), grain)))
    }

    fn timestamp(&self, at: Timestamp) -> Expr {
        let written = at.to_string();
        timestamp_literal(written.strip_suffix(".000Z").map_or(written.clone(), |t| format!("{t}Z")))
    }

    fn double(&self) -> DataType {
        DataType::Double(ExactNumberInfo::None)
    }

    fn percentile(&self, percentile: Percentile, value: Expr) -> Result<Expr, String> {
        let double = || cast(value.clone(), self.double());
        let fraction = || cast(number(percentile.fraction), self.double());
        match (percentile.discrete, percentile.approximate) {
            (false, false) => Ok(call("percentile_cont", vec![double(), number(percentile.fraction)])),
            (false, true) => Ok(call("approx_percentile_cont", vec![double(), number(percentile.fraction)])),
            // The engine has no such function; the value at its place among all in order is the same.
            (true, false) => {
                let count = call("count", vec![value.clone()]);
                let place = call("ceil", vec![binary(count, BinaryOperator::Multiply, fraction())]);
                let place = cast(place, DataType::BigInt(None));
                Ok(call("array_element", vec![ordered_values("array_agg", value), place]))
            }
            (true, true) => Err(NO_APPROXIMATE_DISCRETE.to_owned()),
        }
    }

    fn approx_distinct(&self, value: Expr) -> Result<Expr, String> {
        Ok(call("approx_distinct", vec![value]))
    }

    fn points(
        &self,
        from: Timestamp,
        to: Timestamp,
        grain: Grain,
        alias: &str,
    ) -> Result<TableFactor, String> {
        let series =
            call("generate_series", vec![self.timestamp(from), self.timestamp(to), interval(1, grain)]);
        let projection: Vec<SelectItem> = vec![named(call("unnest", vec![series]), POINT)];
        Ok(derived(query(select(Parts { projection, ..Parts::default() }), &[], None), alias))
    }
}
