//! Short names for the parts of sqlparser's tree.

use sqlparser::{
    ast::{
        BinaryOperator, CastKind, Cte, DataType, Distinct, DuplicateTreatment, Expr, Function, FunctionArg,
        FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList, FunctionArguments, GroupByExpr, Ident,
        Join, JoinConstraint, JoinOperator, LimitClause, ObjectName, ObjectNamePart, OrderBy, OrderByExpr,
        OrderByKind, OrderByOptions, Query, Select, SelectFlavor, SelectItem, SetExpr, TableAlias,
        TableFactor, TableFunctionArgs, TableWithJoins, Value, WindowFrame, WindowFrameBound,
        WindowFrameUnits, WindowSpec, WindowType, With, helpers::attached_token::AttachedToken,
    },
    keywords,
};

use crate::query::JoinKind;

/// A name, quoted only where it must be.
pub(super) fn ident(name: &str) -> Ident {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if plain && !is_reserved(name) { Ident::new(name) } else { Ident::with_quote('"', name) }
}

fn is_reserved(name: &str) -> bool {
    // Words that begin an expression, so that a bare column of this name would be read as one.
    const EXPRESSIONS: [&str; 20] = [
        "all", "and", "any", "array", "between", "by", "case", "cast", "distinct", "exists", "false", "in",
        "interval", "is", "like", "not", "null", "or", "true", "user",
    ];
    let upper = name.to_ascii_uppercase();
    let Ok(index) = keywords::ALL_KEYWORDS.binary_search(&upper.as_str()) else { return false };
    let keyword = &keywords::ALL_KEYWORDS_INDEX[index];
    EXPRESSIONS.contains(&name)
        || keywords::RESERVED_FOR_COLUMN_ALIAS.contains(keyword)
        || keywords::RESERVED_FOR_TABLE_ALIAS.contains(keyword)
        || keywords::RESERVED_FOR_IDENTIFIER.contains(keyword)
}

/// `alias.name`.
pub(crate) fn column(alias: &str, name: &str) -> Expr {
    Expr::CompoundIdentifier(vec![ident(alias), ident(name)])
}

/// `name`.
pub(crate) fn bare(name: &str) -> Expr {
    Expr::Identifier(ident(name))
}

/// `'text'`.
pub(crate) fn text(text: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(text.to_owned()))
}

pub(super) fn number(number: impl ToString) -> Expr {
    Expr::value(Value::Number(number.to_string(), false))
}

pub(crate) fn null() -> Expr {
    Expr::value(Value::Null)
}

pub(super) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// All conditions, or none.
pub(super) fn and(conditions: impl IntoIterator<Item = Expr>) -> Option<Expr> {
    conditions.into_iter().reduce(|left, right| binary(left, BinaryOperator::And, right))
}

/// In parentheses, unless the expression holds together without them.
pub(super) fn operand(expr: Expr) -> Expr {
    match expr {
        Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::Value(_)
        | Expr::Function(_)
        | Expr::Cast { .. }
        | Expr::Nested(_)
        | Expr::TypedString(_) => expr,
        other => Expr::Nested(Box::new(other)),
    }
}

pub(super) fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

pub(super) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    function(name, arguments, None)
}

pub(super) fn call_distinct(name: &str, argument: Expr) -> Expr {
    function(name, vec![argument], Some(DuplicateTreatment::Distinct))
}

fn function(name: &str, arguments: Vec<Expr>, duplicate_treatment: Option<DuplicateTreatment>) -> Expr {
    let args = arguments.into_iter().map(|a| FunctionArg::Unnamed(FunctionArgExpr::Expr(a))).collect();
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// `expr AS name`, or the expression alone where it has that name already.
pub(super) fn named(expr: Expr, name: &str) -> SelectItem {
    let same = match &expr {
        Expr::Identifier(own) => own.value == name,
        Expr::CompoundIdentifier(parts) => parts.last().is_some_and(|own| own.value == name),
        _ => false,
    };
    if same { SelectItem::UnnamedExpr(expr) } else { SelectItem::ExprWithAlias { expr, alias: ident(name) } }
}

/// `database.schema.table AS alias`.
pub(super) fn table(parts: &[&str], alias: &str) -> TableFactor {
    table_as(parts, (parts.last() != Some(&alias)).then_some(alias), None)
}

/// `function(arguments) AS alias`, or a plain name.
pub(super) fn table_as(parts: &[&str], alias: Option<&str>, arguments: Option<Vec<Expr>>) -> TableFactor {
    let args = arguments.map(|all| TableFunctionArgs {
        args: all.into_iter().map(|a| FunctionArg::Unnamed(FunctionArgExpr::Expr(a))).collect(),
        settings: None,
    });
    TableFactor::Table {
        name: ObjectName(parts.iter().map(|p| ObjectNamePart::Identifier(ident(p))).collect()),
        alias: alias.map(table_alias),
        args,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

/// `(query) AS alias`.
pub(super) fn derived(query: Query, alias: &str) -> TableFactor {
    TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query),
        alias: Some(table_alias(alias)),
        sample: None,
    }
}

pub(super) fn table_alias(alias: &str) -> TableAlias {
    TableAlias { explicit: true, name: ident(alias), columns: Vec::new(), at: None }
}

pub(super) fn join(relation: TableFactor, kind: JoinKind, on: Expr) -> Join {
    let on = JoinConstraint::On(on);
    let join_operator = match kind {
        JoinKind::Inner => JoinOperator::Inner(on),
        JoinKind::Left => JoinOperator::LeftOuter(on),
        JoinKind::Full => JoinOperator::FullOuter(on),
        JoinKind::Cross => JoinOperator::CrossJoin(JoinConstraint::None),
    };
    Join { relation, global: false, join_operator }
}

/// A function over the rows around each row.
pub(super) fn over(
    name: &str,
    arguments: Vec<Expr>,
    partition_by: Vec<Expr>,
    order: Vec<(Expr, bool)>,
    whole: bool,
) -> Expr {
    let order_by = order
        .into_iter()
        .map(|(expr, descending)| OrderByExpr {
            expr,
            options: OrderByOptions { asc: descending.then_some(false), nulls_first: None },
            with_fill: None,
        })
        .collect();
    let window_frame = whole.then_some(WindowFrame {
        units: WindowFrameUnits::Rows,
        start_bound: WindowFrameBound::Preceding(None),
        end_bound: Some(WindowFrameBound::Following(None)),
    });
    let mut expr = function(name, arguments, None);
    if let Expr::Function(function) = &mut expr {
        let spec = WindowSpec { window_name: None, partition_by, order_by, window_frame };
        function.over = Some(WindowType::WindowSpec(spec));
    }
    expr
}

/// The parts of a SELECT that are in use.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) distinct: bool,
    pub(super) projection: Vec<SelectItem>,
    pub(super) from: Option<TableFactor>,
    pub(super) joins: Vec<Join>,
    pub(super) selection: Option<Expr>,
    /// Group by this many first columns.
    pub(super) group_by: usize,
}

pub(super) fn select(parts: Parts) -> SetExpr {
    let positions = (1..=parts.group_by).map(number).collect();
    let from = parts.from.map(|relation| TableWithJoins { relation, joins: parts.joins });
    SetExpr::Select(Box::new(Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: parts.distinct.then_some(Distinct::Distinct),
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: parts.projection,
        exclude: None,
        into: None,
        from: from.into_iter().collect(),
        lateral_views: Vec::new(),
        prewhere: None,
        selection: parts.selection,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(positions, Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    }))
}

pub(super) fn query(body: SetExpr, order: &[(String, bool)], limit: Option<u64>) -> Query {
    let item = |(name, descending): &(String, bool)| OrderByExpr {
        expr: bare(name),
        options: OrderByOptions { asc: descending.then_some(false), nulls_first: Some(false) },
        with_fill: None,
    };
    let order_by = (!order.is_empty()).then(|| OrderBy {
        kind: OrderByKind::Expressions(order.iter().map(item).collect()),
        interpolate: None,
    });
    Query {
        with: None,
        body: Box::new(body),
        order_by,
        limit_clause: limit.map(|n| LimitClause::LimitOffset {
            limit: Some(number(n)),
            offset: None,
            limit_by: Vec::new(),
        }),
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// `name(argument) WITHIN GROUP (ORDER BY value)`.
pub(super) fn within_group(name: &str, argument: Expr, value: Expr) -> Expr {
    let mut expr = function(name, vec![argument], None);
    if let Expr::Function(function) = &mut expr {
        function.within_group = vec![ascending(value)];
    }
    expr
}

/// `name(value ORDER BY value) FILTER (WHERE value IS NOT NULL)`.
pub(super) fn ordered_values(name: &str, value: Expr) -> Expr {
    let mut expr = function(name, vec![value.clone()], None);
    if let Expr::Function(function) = &mut expr {
        if let FunctionArguments::List(list) = &mut function.args {
            list.clauses = vec![FunctionArgumentClause::OrderBy(vec![ascending(value.clone())])];
        }
        function.filter = Some(Box::new(Expr::IsNotNull(Box::new(operand(value)))));
    }
    expr
}

fn ascending(expr: Expr) -> OrderByExpr {
    OrderByExpr { expr, options: OrderByOptions { asc: None, nulls_first: None }, with_fill: None }
}

/// `TABLE(flatten(array)) AS alias`.
pub(super) fn flatten(array: Expr, alias: &str) -> TableFactor {
    TableFactor::TableFunction { expr: call("flatten", vec![array]), alias: Some(table_alias(alias)) }
}

/// Selects that stand in front of a query.
pub(super) fn with(named: Vec<(String, Query)>) -> Option<With> {
    let cte = |(name, query): (String, Query)| Cte {
        alias: table_alias_of(&name),
        query: Box::new(query),
        from: None,
        materialized: None,
        closing_paren_token: AttachedToken::empty(),
    };
    (!named.is_empty()).then(|| With {
        with_token: AttachedToken::empty(),
        recursive: false,
        cte_tables: named.into_iter().map(cte).collect(),
    })
}

fn table_alias_of(name: &str) -> TableAlias {
    TableAlias { explicit: false, ..table_alias(name) }
}
