use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::{
    common::{Result, plan_err},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility, function::AccumulatorArgs,
    },
};

/// `MEASURE(m)` and its synonym `AGG(m)` (SQL-3). They name a measure of a metric view and are replaced
/// before anything runs.
pub(crate) fn measure_functions() -> [Arc<AggregateUDF>; 2] {
    ["measure", "agg"].map(|name| {
        let signature = Signature::any(1, Volatility::Immutable);
        Arc::new(AggregateUDF::new_from_impl(OfMeasure { name, signature }))
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OfMeasure {
    name: &'static str,
    signature: Signature,
}

impl AggregateUDFImpl for OfMeasure {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [measure] => Ok(measure.clone()),
            _ => plan_err!("{} takes one measure of a metric view", self.name.to_uppercase()),
        }
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        plan_err!("{} takes a measure of a metric view", self.name.to_uppercase())
    }
}
