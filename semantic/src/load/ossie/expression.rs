//! A metric of Ossie is SQL over aggregates. One aggregate is a simple metric, one over another a ratio,
//! other arithmetic a derived metric over private simple ones. Anything else is refused: a guess would be
//! a wrong number.

use sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, ObjectNamePart, Value,
};

use super::Dataset;
use crate::{
    Aggregation, Percentile,
    load::declared::{Aggregate, At, Input, Kind, Metric, OwnAggregate, Simple, Texts},
    sql,
};

/// A metric, and the private ones it is made of.
pub(super) struct Read {
    pub(super) kind: Kind,
    pub(super) inputs: Vec<Metric>,
}

type Fallible<T> = Result<T, String>;

pub(super) fn read(name: &At<String>, text: &At<String>, datasets: &[Dataset]) -> Fallible<Read> {
    let mut expr = sql::parse_expr(&text.value).map_err(|fault| fault.message)?;
    while let Expr::Nested(inner) = expr {
        expr = *inner;
    }
    let reader = Reader { text, datasets };
    if let Expr::Function(function) = &expr
        && let Some(aggregate) = reader.aggregate(function)?
    {
        return Ok(Read { kind: simple(aggregate), inputs: Vec::new() });
    }
    let mut parts = Parts { name, reader, inputs: Vec::new() };
    if let Expr::BinaryOp { left, op: BinaryOperator::Divide, right } = &expr
        && let (Some(numerator), Some(denominator)) = (parts.alone(left)?, parts.alone(not_zero(right))?)
    {
        let (numerator, denominator) = (parts.input(numerator), parts.input(denominator));
        return Ok(Read { kind: Kind::Ratio { numerator, denominator }, inputs: parts.inputs });
    }
    parts.replace(&mut expr)?;
    if parts.inputs.is_empty() {
        return Err("it aggregates nothing".to_owned());
    }
    let inputs = parts.inputs.iter().map(|m| Input::named(m.name.clone())).collect();
    let expr = At::new(expr.to_string(), &text.span);
    Ok(Read { kind: Kind::Derived { expr, inputs }, inputs: parts.inputs })
}

fn simple(own: OwnAggregate) -> Kind {
    Kind::Simple(Simple { measure: None, own: Some(own), fill_nulls_with: None, join_to_timespine: false })
}

/// `NULLIF(x, 0)` is what a ratio does anyway.
fn not_zero(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => not_zero(inner),
        Expr::Function(function) if named(function, "NULLIF") => match arguments(function).as_slice() {
            [first, Expr::Value(value)] if matches!(&value.value, Value::Number(n, _) if n == "0") => first,
            _ => expr,
        },
        _ => expr,
    }
}

fn named(function: &Function, name: &str) -> bool {
    matches!(function.name.0.as_slice(), [ObjectNamePart::Identifier(ident)] if ident.value.eq_ignore_ascii_case(name))
}

/// Arguments that are expressions.
fn arguments(function: &Function) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    let expr = |arg| match arg {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref expr)) => Some(expr),
        _ => None,
    };
    list.args.iter().filter_map(expr).collect()
}

/// The metrics that stand for the aggregates of an expression.
struct Parts<'a> {
    name: &'a At<String>,
    reader: Reader<'a>,
    inputs: Vec<Metric>,
}

impl Parts<'_> {
    /// An expression that is one aggregate.
    fn alone(&self, expr: &Expr) -> Fallible<Option<OwnAggregate>> {
        match expr {
            Expr::Nested(inner) => self.alone(inner),
            Expr::Function(function) => self.reader.aggregate(function),
            _ => Ok(None),
        }
    }

    fn input(&mut self, own: OwnAggregate) -> Input {
        let kind = simple(own);
        if let Some(known) = self.inputs.iter().find(|m| m.kind == kind) {
            return Input::named(known.name.clone());
        }
        let name = format!("{}_input_{}", self.name.value, self.inputs.len() + 1);
        let name = At::new(name, &self.name.span);
        self.inputs.push(Metric {
            name: name.clone(),
            texts: Texts::default(),
            kind,
            filters: Vec::new(),
            time_granularity: None,
            private: true,
            made: true,
        });
        Input::named(name)
    }

    /// Puts the name of a metric in the place of each aggregate. Around them only what needs no rows.
    fn replace(&mut self, expr: &mut Expr) -> Fallible<()> {
        match expr {
            Expr::Value(_) => Ok(()),
            Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } | Expr::Cast { expr: inner, .. } => {
                self.replace(inner)
            }
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => self.replace(inner),
            Expr::BinaryOp { left, right, .. } => {
                self.replace(left)?;
                self.replace(right)
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                for inner in operand.iter_mut().chain(else_result) {
                    self.replace(inner)?;
                }
                for when in conditions {
                    self.replace(&mut when.condition)?;
                    self.replace(&mut when.result)?;
                }
                Ok(())
            }
            Expr::Function(function) => match self.reader.aggregate(function)? {
                Some(own) => {
                    let input = self.input(own);
                    *expr = Expr::Identifier(Ident::new(input.name.value));
                    Ok(())
                }
                None => self.scalar(function),
            },
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
                Err(format!("'{expr}' stands outside of an aggregate"))
            }
            _ => Err(format!("'{expr}' cannot be read; use aggregates and arithmetic over them")),
        }
    }

    fn scalar(&mut self, function: &mut Function) -> Fallible<()> {
        let known = ["NULLIF", "COALESCE", "ROUND", "ABS", "GREATEST", "LEAST", "FLOOR", "CEIL"];
        if !known.iter().any(|name| named(function, name)) {
            return Err(format!("'{}' is no aggregate that can be read", function.name));
        }
        let FunctionArguments::List(list) = &mut function.args else {
            return Err(format!("'{}' needs arguments", function.name));
        };
        for argument in &mut list.args {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.replace(expr)?,
                other => return Err(format!("'{other}' cannot be read")),
            }
        }
        Ok(())
    }
}

/// Reads aggregates over the columns of one dataset.
struct Reader<'a> {
    text: &'a At<String>,
    datasets: &'a [Dataset],
}

impl Reader<'_> {
    /// `None` for a function that is no aggregate.
    fn aggregate(&self, function: &Function) -> Fallible<Option<OwnAggregate>> {
        let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else { return Ok(None) };
        let name = name.value.to_uppercase();
        let words = [
            ("SUM", Aggregation::Sum),
            ("MIN", Aggregation::Min),
            ("MAX", Aggregation::Max),
            ("AVG", Aggregation::Average),
            ("COUNT", Aggregation::Count),
            ("MEDIAN", Aggregation::Median { approximate: false }),
            ("APPROX_COUNT_DISTINCT", Aggregation::ApproxCountDistinct),
        ];
        if matches!(name.as_str(), "PERCENTILE_CONT" | "PERCENTILE_DISC") {
            return self.percentile(function, name == "PERCENTILE_DISC").map(Some);
        }
        let Some((_, agg)) = words.into_iter().find(|(word, _)| *word == name) else { return Ok(None) };
        if function.filter.is_some() || !function.within_group.is_empty() {
            return Err(format!("{name} with FILTER or WITHIN GROUP cannot be read"));
        }
        let FunctionArguments::List(list) = &function.args else {
            return Err(format!("{name} needs an argument"));
        };
        let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        let agg = match (agg, distinct) {
            (Aggregation::Count, true) => Aggregation::CountDistinct,
            // Distinct values have the same smallest and largest one.
            (agg @ (Aggregation::Min | Aggregation::Max), _) | (agg, false) => agg,
            (_, true) => return Err(format!("{name}(DISTINCT ..) cannot be read")),
        };
        match list.args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => self.own(agg, expr).map(Some),
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] if agg == Aggregation::Count => {
                let [dataset] = self.datasets else {
                    return Err("COUNT(*) does not say which dataset it counts; count a column".to_owned());
                };
                Ok(Some(self.over(dataset, agg, "1".to_owned())))
            }
            _ => Err(format!("{name} needs one expression")),
        }
    }

    fn percentile(&self, function: &Function, discrete: bool) -> Fallible<OwnAggregate> {
        let arguments = arguments(function);
        let fraction = match arguments.as_slice() {
            [Expr::Value(value)] => match &value.value {
                Value::Number(text, _) => text.parse().ok().filter(|f: &f64| *f > 0.0 && *f < 1.0),
                _ => None,
            },
            _ => None,
        };
        let (Some(fraction), [order], None) = (fraction, function.within_group.as_slice(), &function.filter)
        else {
            return Err("write PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY x)".to_owned());
        };
        if order.options.asc == Some(false) {
            return Err("a percentile goes from the smallest value up".to_owned());
        }
        let agg = Aggregation::Percentile(Percentile { fraction, discrete, approximate: false });
        self.own(agg, &order.expr)
    }

    fn own(&self, agg: Aggregation, expr: &Expr) -> Fallible<OwnAggregate> {
        let mut expr = expr.clone();
        let mut over: Option<&Dataset> = None;
        let mut fault = None;
        sql::replace_columns(&mut expr, &mut |parts| {
            match self.column(parts) {
                Ok((dataset, column)) => {
                    if over.is_some_and(|first| first.name != dataset.name) {
                        fault = Some("an aggregate reads the columns of one dataset".to_owned());
                    }
                    over = Some(dataset);
                    return Some(column);
                }
                Err(message) => fault = Some(message),
            }
            None
        });
        if sql::has_aggregate(&expr) {
            return Err("aggregates inside aggregates cannot be read".to_owned());
        }
        let dataset = match (fault, over, self.datasets) {
            (Some(message), ..) => return Err(message),
            (None, Some(dataset), _) | (None, None, [dataset]) => dataset,
            (None, None, _) => return Err(format!("'{expr}' does not say which dataset it is of")),
        };
        while let Expr::Nested(inner) = expr {
            expr = *inner;
        }
        Ok(self.over(dataset, agg, expr.to_string()))
    }

    fn over(&self, dataset: &Dataset, agg: Aggregation, expr: String) -> OwnAggregate {
        OwnAggregate {
            model: At::new(dataset.name.value.clone(), &self.text.span),
            aggregate: Aggregate { agg, expr: Some(expr), agg_time: None, non_additive: None },
        }
    }

    /// The dataset of a column, and what the column is: the expression of a field of that name, else a
    /// column of the table.
    fn column(&self, parts: &[String]) -> Fallible<(&Dataset, Expr)> {
        let field = |dataset: &Dataset, name: &str| {
            let field = dataset.fields.iter().find(|f| f.name.value.eq_ignore_ascii_case(name))?;
            sql::parse_expr(&field.expr).ok()
        };
        let nested = |expr: Expr| match expr {
            Expr::Identifier(_) | Expr::Function(_) | Expr::Value(_) => expr,
            other => Expr::Nested(Box::new(other)),
        };
        match parts {
            [name] => {
                let owners: Vec<&Dataset> =
                    self.datasets.iter().filter(|d| field(d, name).is_some()).collect();
                let dataset = match (owners.as_slice(), self.datasets) {
                    ([one], _) => *one,
                    ([], [one]) => one,
                    _ => return Err(format!("'{name}' does not say which dataset it is of")),
                };
                let expr = field(dataset, name).map_or_else(|| Expr::Identifier(Ident::new(name)), nested);
                Ok((dataset, expr))
            }
            [dataset, name] => {
                let found = self.datasets.iter().find(|d| d.name.value.eq_ignore_ascii_case(dataset));
                let Some(found) = found else {
                    return Err(format!("dataset '{dataset}' does not exist"));
                };
                let expr = field(found, name).map_or_else(|| Expr::Identifier(Ident::new(name)), nested);
                Ok((found, expr))
            }
            _ => Err(format!("'{}' is not a column", parts.join("."))),
        }
    }
}
