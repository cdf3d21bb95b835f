//! A plan as SQL of a dialect.

use model::{ColumnType, Diagnostic, Severity};
use sqlparser::ast::{
    BinaryOperator, CaseWhen, DataType, Expr, Query, SelectItem, SetExpr, SetOperator, SetQuantifier,
    Statement, TableFactor, Value, helpers::attached_token::AttachedToken,
};

use super::{
    build::{self, Parts, and, binary, call, call_distinct, cast, named, null, number, operand},
    dialect::{Dialect, Words, data_type},
};
use crate::{
    Aggregation, Percentile, Relation,
    query::{Aggregate, Comparison, Rows, Scalar, Select, Source, Window, WindowFunction, marked},
};

/// A plan as SQL.
pub(crate) struct Rendered {
    pub(crate) statement: Statement,
    pub(crate) sql: String,
    /// Every table that is read: schema and name.
    pub(crate) tables: Vec<(String, String)>,
}

/// Writes a plan, or says what the dialect has no words for.
pub(crate) fn render(select: &Select, dialect: Dialect) -> Result<Rendered, Vec<Diagnostic>> {
    let mut writer = Writer { dialect, words: dialect.words(), tables: Vec::new(), faults: Vec::new() };
    let statement = Statement::Query(Box::new(writer.query(select)));
    if writer.faults.is_empty() {
        Ok(Rendered { sql: format!("{statement:#}"), statement, tables: writer.tables })
    } else {
        Err(writer.faults)
    }
}

struct Writer {
    dialect: Dialect,
    words: &'static dyn Words,
    tables: Vec<(String, String)>,
    faults: Vec<Diagnostic>,
}

impl Writer {
    fn name(&self, name: &str) -> String {
        self.words.name(name)
    }

    fn refuse(&mut self, message: String) -> Expr {
        let fault = Diagnostic {
            code: "not_in_dialect",
            severity: Severity::Error,
            span: None,
            message,
            suggestion: None,
        };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
        null()
    }

    fn or_refuse(&mut self, written: Result<Expr, String>) -> Expr {
        written.unwrap_or_else(|what| self.refuse(format!("{} has no {what}", self.dialect)))
    }

    fn query(&mut self, select: &Select) -> Query {
        let before: Vec<(String, Query)> =
            select.named.iter().map(|(name, inner)| (self.name(name), self.query(inner))).collect();
        let body = self.select(select);
        let order: Vec<(String, bool)> = select.order.iter().map(|(n, d)| (self.name(n), *d)).collect();
        let mut query = build::query(body, &order, select.limit);
        query.with = build::with(before);
        query
    }

    fn select(&mut self, select: &Select) -> SetExpr {
        let mut projection: Vec<SelectItem> = Vec::with_capacity(select.columns.len());
        for (name, scalar) in &select.columns {
            let expr = self.scalar(scalar);
            projection.push(named(expr, &self.name(name)));
        }
        let from = select.from.as_ref().map(|source| self.source(source));
        let mut joins = Vec::with_capacity(select.joins.len());
        for join in &select.joins {
            let relation = self.source(&join.source);
            let on = self.all(&join.on).unwrap_or_else(|| Expr::value(Value::Boolean(true)));
            joins.push(build::join(relation, join.kind, on));
        }
        // One filter stands alone; several are each in parentheses (Q3.1).
        let selection = match select.filters.as_slice() {
            [one] => Some(self.scalar(one)),
            many => self.all(many),
        };
        build::select(Parts {
            distinct: select.distinct,
            projection,
            from,
            joins,
            selection,
            group_by: select.group_by,
        })
    }

    fn all(&mut self, conditions: &[Scalar]) -> Option<Expr> {
        let written: Vec<Expr> = conditions.iter().map(|c| self.scalar(c)).collect();
        and(written.into_iter().map(condition))
    }

    fn source(&mut self, source: &Source) -> TableFactor {
        let alias = self.name(&source.alias);
        match &source.rows {
            Rows::Table(Relation::Table { database, schema, name }) => {
                let table = (schema.clone(), name.clone());
                if !self.tables.contains(&table) {
                    self.tables.push(table);
                }
                let parts: Vec<&str> = database.iter().chain([schema, name]).map(String::as_str).collect();
                build::table(&parts, &alias)
            }
            Rows::Table(relation @ Relation::Query(_)) => {
                self.refuse(format!("the rows of '{alias}' are no SELECT: {relation}"));
                build::table(&["unknown"], &alias)
            }
            Rows::Query(query) => {
                self.read_tables(query);
                build::derived((**query).clone(), &alias)
            }
            Rows::Select(select) => build::derived(self.query(select), &alias),
            Rows::Union(arms) => {
                let arms: Vec<SetExpr> = arms.iter().map(|arm| self.select(arm)).collect();
                let union = arms.into_iter().reduce(|left, right| SetExpr::SetOperation {
                    op: SetOperator::Union,
                    set_quantifier: SetQuantifier::All,
                    left: Box::new(left),
                    right: Box::new(right),
                });
                let body = union.unwrap_or_else(|| build::select(Parts::default()));
                build::derived(build::query(body, &[], None), &alias)
            }
            Rows::Named(name) => build::table(&[&self.name(name)], &alias),
            Rows::Points { from, to, grain } => {
                self.words.points(*from, *to, *grain, &alias).unwrap_or_else(|what| {
                    self.refuse(format!("{} has no {what}", self.dialect));
                    build::table(&["unknown"], &alias)
                })
            }
        }
    }

    fn read_tables(&mut self, query: &Query) {
        let _ = sqlparser::ast::visit_relations(query, |name| {
            let parts: Vec<String> =
                name.0.iter().filter_map(|p| p.as_ident()).map(|i| i.value.clone()).collect();
            if let [.., schema, table] = parts.as_slice() {
                let table = (schema.clone(), table.clone());
                if !self.tables.contains(&table) {
                    self.tables.push(table);
                }
            }
            std::ops::ControlFlow::<()>::Continue(())
        });
    }

    fn column(&self, alias: &str, name: &str) -> Expr {
        build::column(&self.name(alias), &self.name(name))
    }

    fn scalar(&mut self, scalar: &Scalar) -> Expr {
        match scalar {
            Scalar::Column(alias, name) => self.column(alias, name),
            Scalar::Sql(expr, alias) => super::expr::qualify(expr, &self.name(alias)),
            Scalar::Template(expr, holes) => self.template(expr, holes),
            Scalar::Text(text) => build::text(text),
            Scalar::Int(n) => number(n),
            Scalar::Time(at) => self.words.timestamp(*at),
            Scalar::Null(column_type) => cast(null(), data_type(self.words, *column_type)),
            Scalar::NullLike { select, column } => self.null_like(select, column),
            Scalar::Trunc(grain, time) => {
                let time = self.scalar(time);
                let written = self.words.date_trunc(*grain, time);
                self.or_refuse(written)
            }
            Scalar::Part(part, time) => {
                let time = self.scalar(time);
                self.words.date_part(*part, time)
            }
            Scalar::Shift(time, count, grain) => {
                let time = self.scalar(time);
                let written = self.words.shift(time, *count, *grain);
                self.or_refuse(written)
            }
            Scalar::Trim(inner) => call("trim", vec![self.scalar(inner)]),
            Scalar::Lower(inner) => call("lower", vec![self.scalar(inner)]),
            Scalar::Compare(comparison, left, right) => {
                let (left, right) = (self.scalar(left), self.scalar(right));
                binary(term(left), operator(*comparison), term(right))
            }
            Scalar::Or(all) => {
                let all: Vec<Expr> = all.iter().map(|one| self.scalar(one)).collect();
                let any = all.into_iter().reduce(|left, right| binary(left, BinaryOperator::Or, right));
                Expr::Nested(Box::new(any.unwrap_or_else(|| Expr::value(Value::Boolean(false)))))
            }
            Scalar::IsNull(inner) => Expr::IsNull(Box::new(operand(self.scalar(inner)))),
            Scalar::IsNotNull(inner) => Expr::IsNotNull(Box::new(operand(self.scalar(inner)))),
            Scalar::In(inner, select) => Expr::InSubquery {
                expr: Box::new(operand(self.scalar(inner))),
                subquery: Box::new(self.query(select)),
                negated: false,
            },
            Scalar::Coalesce(inner, n) => call("coalesce", vec![self.scalar(inner), number(n)]),
            Scalar::Ratio(above, below) => {
                let (above, below) = (self.scalar(above), self.scalar(below));
                let double = || self.words.double();
                let below = cast(call("nullif", vec![below, number(0)]), double());
                binary(cast(above, double()), BinaryOperator::Divide, below)
            }
            Scalar::Aggregate(aggregate) => self.aggregate(aggregate),
            Scalar::Max(inner) => call("max", vec![self.scalar(inner)]),
            Scalar::Min(inner) => call("min", vec![self.scalar(inner)]),
            Scalar::Mean(inner) => call("avg", vec![cast(self.scalar(inner), self.words.double())]),
            Scalar::Window(window) => self.window(window),
        }
    }

    fn template(&mut self, expr: &Expr, holes: &[Scalar]) -> Expr {
        let mut expr = expr.clone();
        let values: Vec<Expr> = holes.iter().map(|hole| self.scalar(hole)).collect();
        super::expr::replace(&mut expr, &mut |name| {
            let value = values.get(marked(name)?)?;
            Some(operand(value.clone()))
        });
        expr
    }

    fn null_like(&mut self, select: &str, column: &str) -> Expr {
        if self.words.nulls_are_typed_by_unions() {
            return null();
        }
        let rows = self.name(select);
        let body = build::select(Parts {
            projection: vec![SelectItem::UnnamedExpr(self.column(select, column))],
            from: Some(build::table(&[&rows], &rows)),
            selection: Some(Expr::value(Value::Boolean(false))),
            ..Parts::default()
        });
        Expr::Subquery(Box::new(build::query(body, &[], None)))
    }

    fn window(&mut self, window: &Window) -> Expr {
        let partition: Vec<Expr> = window.partition.iter().map(|p| self.scalar(p)).collect();
        let order: Vec<(Expr, bool)> = window.order.iter().map(|(o, d)| (self.scalar(o), *d)).collect();
        let mut over = |name: &str, of: Option<&Scalar>, whole: bool| {
            let arguments = of.map(|of| self.scalar(of)).into_iter().collect();
            build::over(name, arguments, partition.clone(), order.clone(), whole)
        };
        match &window.function {
            WindowFunction::RowNumber => over("row_number", None, false),
            WindowFunction::DenseRank => over("dense_rank", None, false),
            WindowFunction::Min(of) => over("min", Some(of), false),
            WindowFunction::Max(of) => over("max", Some(of), false),
            WindowFunction::First(of) => over("first_value", Some(of), true),
            WindowFunction::Last(of) => over("last_value", Some(of), true),
        }
    }

    /// An aggregate, cast to its result type so that every dialect answers alike (SEM-1).
    fn aggregate(&mut self, aggregate: &Aggregate) -> Expr {
        let expr = self.scalar(&aggregate.of);
        let words = self.words;
        let double = || words.double();
        let whole = DataType::BigInt(None);
        let written = match aggregate.agg {
            Aggregation::CountDistinct => Ok(call_distinct("count", expr)),
            Aggregation::Average => Ok(call("avg", vec![cast(expr, double())])),
            Aggregation::Median { approximate } => {
                words.percentile(Percentile { fraction: 0.5, discrete: false, approximate }, expr)
            }
            Aggregation::ApproxCountDistinct => words.approx_distinct(expr).map(|e| cast(e, whole)),
            Aggregation::Percentile(percentile) => words.percentile(percentile, expr),
            Aggregation::Min => Ok(call("min", vec![expr])),
            Aggregation::Max => Ok(call("max", vec![expr])),
            Aggregation::Count => Ok(cast(call("sum", vec![one_if_present(expr)]), whole)),
            Aggregation::SumBoolean => Ok(cast(call("sum", vec![one_if(expr)]), whole)),
            Aggregation::Sum => Ok(match aggregate.column_type {
                None => call("sum", vec![expr]),
                // Integers are summed as decimals: 64 bits could overflow unseen.
                Some(column_type @ ColumnType::Decimal { scale: 0, .. }) => {
                    call("sum", vec![cast(expr, data_type(words, column_type))])
                }
                Some(column_type) => cast(call("sum", vec![expr]), data_type(words, column_type)),
            }),
        };
        written.unwrap_or_else(|what| {
            self.refuse(format!("metric '{}' asks {} for {what}", aggregate.metric, self.dialect))
        })
    }
}

/// A condition among others that must all hold.
fn condition(expr: Expr) -> Expr {
    let simple = matches!(&expr, Expr::BinaryOp { op, left, right }
        if is_comparison(op) && is_simple(left) && is_simple(right));
    if simple { expr } else { operand(expr) }
}

fn is_simple(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Identifier(_)
            | Expr::CompoundIdentifier(_)
            | Expr::Value(_)
            | Expr::Function(_)
            | Expr::Cast { .. }
            | Expr::Nested(_)
            | Expr::TypedString(_)
    ) || matches!(expr, Expr::BinaryOp { right, .. } if matches!(**right, Expr::Interval(_)))
}

fn is_comparison(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Eq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    )
}

/// One side of a comparison.
fn term(expr: Expr) -> Expr {
    if is_simple(&expr) { expr } else { operand(expr) }
}

fn operator(comparison: Comparison) -> BinaryOperator {
    match comparison {
        Comparison::Equal => BinaryOperator::Eq,
        Comparison::Less => BinaryOperator::Lt,
        Comparison::LessOrEqual => BinaryOperator::LtEq,
        Comparison::Greater => BinaryOperator::Gt,
        Comparison::GreaterOrEqual => BinaryOperator::GtEq,
    }
}

/// N3: `count(1)` is `sum(1)`, `count(e)` counts the rows where e is present.
fn one_if_present(expr: Expr) -> Expr {
    match &expr {
        Expr::Value(value) if !matches!(value.value, Value::Null) => number(1),
        _ => one_if(Expr::IsNotNull(Box::new(operand(expr)))),
    }
}

fn one_if(condition: Expr) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result: number(1) }],
        else_result: Some(Box::new(number(0))),
    }
}
