use super::cell::Cell;

/// What an engine answered.
#[derive(Debug)]
pub struct Answer {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
}

#[derive(Debug)]
pub struct Column {
    pub name: String,
    pub family: Family,
}

/// Families of types: within one, engines differ in widths alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Family {
    Boolean,
    Whole,
    Decimal,
    Float,
    Text,
    Date,
    /// Without zone.
    Time,
    /// With zone.
    TimeUtc,
    Other(String),
}

impl Answer {
    /// What differs in the types of two answers to one question (SEM-1).
    pub fn type_difference(&self, other: &Self) -> Option<String> {
        let differs = |(a, b): (&Column, &Column)| {
            (a.name != b.name || a.family != b.family)
                .then(|| format!("{}: {:?} and {}: {:?}", a.name, a.family, b.name, b.family))
        };
        self.columns.iter().zip(&other.columns).find_map(differs)
    }
}
