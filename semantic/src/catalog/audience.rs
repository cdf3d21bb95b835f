use std::time::Duration;

use model::AudienceName;

/// A yes/no question about one profile (`audiences.md` §2), normalised: this is also the program the
/// `audiences` crate runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Audience {
    /// Its name.
    pub name: AudienceName,
    /// Name for people.
    pub label: Option<String>,
    /// Text for people.
    pub description: Option<String>,
    /// The condition.
    pub condition: Expr,
    /// Hash of the normalised condition: two spellings of one condition have one hash. A changed hash
    /// is a new version.
    pub hash: u64,
}

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// All hold.
    All(Vec<Expr>),
    /// At least one holds.
    Any(Vec<Expr>),
    /// It does not hold.
    Not(Box<Expr>),
    /// One question.
    Leaf(Leaf),
}

/// One question about a profile.
#[derive(Debug, Clone, PartialEq)]
pub enum Leaf {
    /// The number of matching calls in the window meets all comparisons.
    Count {
        /// Which calls.
        selector: CallSelector,
        /// When.
        window: Window,
        /// Operators over the count; never empty (`gte 1` when nothing is written).
        count: Vec<Comparison>,
    },
    /// A value of the golden record meets all comparisons.
    Trait {
        /// Dotted path.
        path: String,
        /// Operators; never empty.
        comparisons: Vec<Comparison>,
    },
    /// Always.
    Everyone,
}

/// Which calls a leaf counts.
#[derive(Debug, Clone, PartialEq)]
pub struct CallSelector {
    /// Which kind of call.
    pub kind: CallKind,
    /// Which names.
    pub names: EventNames,
    /// What must hold for the call.
    pub filter: Option<Filter>,
}

/// Kinds of calls that can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// Track calls.
    Track,
    /// Page calls.
    Page,
    /// Screen calls.
    Screen,
}

/// Names of the calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventNames {
    /// `"*"`: any.
    Any,
    /// One of these.
    OneOf(Vec<String>),
}

/// When a call counts. `t` is the call's time, `T` the instant asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// `t <= T`.
    Ever,
    /// `t <= T < t + within`; whole milliseconds.
    Within(Duration),
}

/// A predicate over one call.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All hold.
    All(Vec<Filter>),
    /// At least one holds.
    Any(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// A value meets all comparisons.
    Compare {
        /// Which value.
        target: FilterTarget,
        /// Operators; never empty.
        comparisons: Vec<Comparison>,
    },
}

/// Which value of a call a filter looks at; dotted paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterTarget {
    /// In `properties`; `$name` and `$time` are the call's name and time.
    Property(String),
    /// In `context`.
    Context(String),
}

/// One operator with its operand.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The operator.
    pub operator: Operator,
    /// Its operand: one literal; two for `between`; a list for `in` and `not_in`.
    pub operands: Vec<Literal>,
}

/// Operators (`audiences.md` §2.5). A comparison with a missing value, or one of another type, is
/// false for every operator except `exists: false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the grammar's names say it")]
pub enum Operator {
    Eq,
    Ne,
    In,
    NotIn,
    Gt,
    Gte,
    Lt,
    Lte,
    Between,
    Contains,
    NotContains,
    StartsWith,
    EndsWith,
    Matches,
    Before,
    After,
    WithinLast,
    BeforeLast,
    WithinNext,
    AfterNext,
    Exists,
}

/// A literal of the definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// A text.
    Text(String),
    /// A number as written (exact decimal).
    Number(String),
    /// True or false.
    Bool(bool),
    /// A duration, for the relative-date operators.
    Duration(Duration),
}
