//! Parameters of a statement: which there are, and values put in their place.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::{
    common::{ParamValues, ScalarValue, metadata::ScalarAndMetadata},
    logical_expr::LogicalPlan,
};

use crate::{Error, fit};

/// The parameters of a plan in order, each with the type its place asks for.
#[derive(Debug)]
pub(crate) struct Parameters {
    types: Vec<Option<DataType>>,
}

impl Parameters {
    pub(crate) fn of(plan: &LogicalPlan) -> Result<Self, Error> {
        let found: HashMap<String, Option<FieldRef>> = plan.get_parameter_fields()?;
        let mut types = vec![None; found.len()];
        for (name, field) in found {
            let position = name.strip_prefix('$').and_then(|n| n.parse::<usize>().ok());
            let slot = position.and_then(|n| types.get_mut(n.checked_sub(1)?));
            let Some(slot) = slot else {
                let text = format!("parameters are $1, $2, .. without a gap; '{name}' does not fit");
                return Err(Error::Invalid(text));
            };
            *slot = field.map(|f| f.data_type().clone()).filter(|t| *t != DataType::Null);
        }
        Ok(Self { types })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// One nullable field per parameter; text where nothing tells the type.
    pub(crate) fn schema(&self) -> SchemaRef {
        let field = |(n, data_type): (usize, &Option<DataType>)| {
            let data_type = data_type.as_ref().map_or(DataType::Utf8, fit::fitted);
            Field::new(format!("${}", n + 1), data_type, true)
        };
        Arc::new(Schema::new(self.types.iter().enumerate().map(field).collect::<Vec<_>>()))
    }

    /// Values for planning alone: NULL of each parameter's type.
    pub(crate) fn nulls(&self) -> Result<Vec<ScalarValue>, Error> {
        let null = |t: &Option<DataType>| ScalarValue::try_from(t.as_ref().unwrap_or(&DataType::Utf8));
        Ok(self.types.iter().map(null).collect::<Result<_, _>>()?)
    }

    /// Puts values in the place of the parameters. A text meets the type that its place asks for, as
    /// drivers that know no types send texts.
    pub(crate) fn bind(&self, plan: LogicalPlan, values: &[ScalarValue]) -> Result<LogicalPlan, Error> {
        if values.len() != self.types.len() {
            let (asked, given) = (self.types.len(), values.len());
            return Err(Error::Invalid(format!(
                "the statement has {asked} parameters, {given} values are bound"
            )));
        }
        if values.is_empty() {
            return Ok(plan);
        }
        let typed = values.iter().zip(&self.types).enumerate().map(|(n, (value, wanted))| {
            typed(value, wanted.as_ref()).ok_or_else(|| {
                let wanted = wanted.as_ref().map(ToString::to_string).unwrap_or_default();
                Error::Invalid(format!("parameter ${}: '{value}' is not a value of type {wanted}", n + 1))
            })
        });
        let typed = typed.collect::<Result<Vec<_>, _>>()?;
        let values = typed.into_iter().map(|value| ScalarAndMetadata::new(value, None)).collect();
        Ok(plan.with_param_values(ParamValues::List(values))?)
    }
}

fn typed(value: &ScalarValue, wanted: Option<&DataType>) -> Option<ScalarValue> {
    match wanted {
        Some(wanted) if value.is_null() => ScalarValue::try_from(wanted).ok(),
        Some(wanted) if !is_text(wanted) && is_text(&value.data_type()) => {
            value.cast_to(wanted).ok().filter(|cast| !cast.is_null())
        }
        _ => Some(value.clone()),
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}
