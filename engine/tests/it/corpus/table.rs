use std::{fs, path::Path};

use serde_json::Value;

use super::cell::Cell;

/// Type of a table's column, by its name in `tables.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    Text,
    Whole,
    Float,
    /// Twelve digits, two of them after the point.
    Decimal,
    Boolean,
    Date,
    /// Without zone, microseconds.
    Time,
    /// Without zone, nanoseconds where the engine has them.
    TimeNanos,
    /// With zone UTC, microseconds.
    TimeUtc,
}

impl ColumnKind {
    fn parse(name: &str) -> Self {
        match name {
            "STRING" => Self::Text,
            "INT" => Self::Whole,
            "FLOAT" => Self::Float,
            "DECIMAL" => Self::Decimal,
            "BOOLEAN" => Self::Boolean,
            "DATE" => Self::Date,
            "TIME" => Self::Time,
            "TIME_NS" => Self::TimeNanos,
            "TIME_UTC" => Self::TimeUtc,
            other => panic!("'{other}' is not a column type"),
        }
    }

    fn read(self, text: &str) -> Option<Cell> {
        match self {
            _ if text == r"\N" => Some(Cell::Null),
            Self::Text => Some(Cell::Text(text.to_owned())),
            Self::Whole | Self::Float | Self::Decimal => Cell::parse_number(text),
            Self::Boolean => text.to_lowercase().parse().ok().map(Cell::Boolean),
            Self::TimeNanos => Cell::parse_time(text),
            Self::Date | Self::Time | Self::TimeUtc => match Cell::parse_time(text)? {
                // Both engines get the same microseconds: PostgreSQL would round to the nearest.
                Cell::Time(nanos) => Some(Cell::Time(nanos.div_euclid(1_000) * 1_000)),
                _ => None,
            },
        }
    }
}

/// A source table.
#[derive(Debug)]
pub struct Table {
    pub name: String,
    pub columns: Vec<(String, ColumnKind)>,
    pub rows: Vec<Vec<Cell>>,
}

/// Every table of a suite.
pub fn read_all(folder: &Path) -> Vec<Table> {
    let text = fs::read_to_string(folder.join("tables.json")).unwrap();
    let Value::Object(tables) = serde_json::from_str(&text).unwrap() else { panic!("tables.json is a map") };
    tables.iter().map(|(name, about)| read(folder, name, about)).collect()
}

fn read(folder: &Path, name: &str, about: &Value) -> Table {
    let columns: Vec<(String, ColumnKind)> = about["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["name"].as_str().unwrap().to_owned(), ColumnKind::parse(c["type"].as_str().unwrap())))
        .collect();
    let text = fs::read_to_string(folder.join(format!("tables/{name}.csv"))).unwrap();
    let mut records = records(&text).into_iter();
    let header = records.next().unwrap();
    assert_eq!(header, columns.iter().map(|(c, _)| c.clone()).collect::<Vec<_>>(), "header of {name}");
    let rows: Vec<Vec<Cell>> = records
        .map(|record| {
            assert_eq!(record.len(), columns.len(), "{name}: {record:?}");
            let cells = record.iter().zip(&columns);
            cells
                .map(|(text, (c, kind))| kind.read(text).unwrap_or_else(|| panic!("{name}.{c}: {text}")))
                .collect()
        })
        .collect();
    assert_eq!(rows.len() as u64, about["row_count"].as_u64().unwrap(), "rows of {name}");
    Table { name: name.to_owned(), columns, rows }
}

/// RFC 4180.
fn records(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quoted, c) {
            (true, '"') if chars.peek() == Some(&'"') => field.push(chars.next().unwrap()),
            (_, '"') => quoted = !quoted,
            (false, ',') => record.push(std::mem::take(&mut field)),
            (false, '\n') => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            (false, '\r') => {}
            (_, c) => field.push(c),
        }
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    records
}

#[test]
fn records_are_read_as_rfc_4180_says() {
    let read = records("a,b\r\n\"x,\"\"y\"\"\n\",\\N\n,1");
    assert_eq!(read, [["a", "b"], ["x,\"y\"\n", r"\N"], ["", "1"]]);
}
