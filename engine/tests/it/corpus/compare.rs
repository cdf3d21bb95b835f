//! The rules by which an answer is right.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::{
    answer::Answer,
    case::{CoarseType, Expected},
    cell::Cell,
};

const SEPARATOR: &str = "\u{1f}";

/// The first difference between an answer and what was expected.
pub fn difference(expected: &Expected, check_order: bool, answer: &Answer) -> Result<(), String> {
    let mut rows = aligned(expected, answer)?;
    if rows.len() != expected.row_count {
        return Err(format!(
            "{} rows instead of {}{}",
            rows.len(),
            expected.row_count,
            extra(expected, &rows)
        ));
    }
    if expected.truncated {
        let sum = checksum(&expected.columns, &rows);
        if sum == expected.checksum {
            return Ok(());
        }
        sort(expected, &mut rows);
        let listed = first_difference(expected, &expected.rows, &rows).err();
        let text = listed.unwrap_or_else(|| "the listed rows are equal".to_owned());
        return Err(format!("checksum {sum} instead of {}: {text}", expected.checksum));
    }
    let mut wanted = expected.rows.clone();
    if !check_order {
        sort(expected, &mut rows);
        sort(expected, &mut wanted);
    }
    first_difference(expected, &wanted, &rows)
}

/// The rows with their cells in the order of the expected columns.
fn aligned(expected: &Expected, answer: &Answer) -> Result<Vec<Vec<Cell>>, String> {
    let got: BTreeSet<&str> = answer.columns.iter().map(|c| c.name.as_str()).collect();
    let wanted: BTreeSet<&str> = expected.columns.iter().map(String::as_str).collect();
    if got != wanted || answer.columns.len() != expected.columns.len() {
        let names: Vec<&str> = answer.columns.iter().map(|c| c.name.as_str()).collect();
        return Err(format!("columns {names:?} instead of {:?}", expected.columns));
    }
    let place = |name: &String| answer.columns.iter().position(|c| c.name == *name).unwrap();
    let places: Vec<usize> = expected.columns.iter().map(place).collect();
    Ok(answer.rows.iter().map(|row| places.iter().map(|n| row[*n].clone()).collect()).collect())
}

fn first_difference(expected: &Expected, wanted: &[Vec<Cell>], rows: &[Vec<Cell>]) -> Result<(), String> {
    for (wanted, row) in wanted.iter().zip(rows) {
        let agree = wanted.iter().zip(row).all(|(a, b)| a.agrees(b, expected.rel_tol));
        if !agree {
            return Err(format!("{} instead of {}", show(expected, row), show(expected, wanted)));
        }
    }
    Ok(())
}

/// Where the number of rows is wrong: one that should not be there, or one that is missing.
fn extra(expected: &Expected, rows: &[Vec<Cell>]) -> String {
    let texts = |rows: &[Vec<Cell>]| rows.iter().map(|row| show(expected, row)).collect::<BTreeSet<_>>();
    let (got, wanted) = (texts(rows), texts(&expected.rows));
    let missing = wanted.difference(&got).next().map(|row| format!("; missing {row}"));
    let surplus = got.difference(&wanted).next().filter(|_| !expected.truncated);
    format!(
        "{}{}",
        missing.unwrap_or_default(),
        surplus.map(|row| format!("; not expected {row}")).unwrap_or_default()
    )
}

fn show(expected: &Expected, row: &[Cell]) -> String {
    let cell = |(name, cell): (&String, &Cell)| format!("{name}={}", cell.canonical());
    format!("({})", expected.columns.iter().zip(row).map(cell).collect::<Vec<_>>().join(", "))
}

/// The cells of columns that are not floats, by name, then the floats by name; compared as bytes.
fn sort(expected: &Expected, rows: &mut [Vec<Cell>]) {
    let float = |n: usize| expected.types[n] == CoarseType::Float;
    let mut order: Vec<usize> = (0..expected.columns.len()).collect();
    order.sort_by_key(|n| (float(*n), &expected.columns[*n]));
    rows.sort_by_cached_key(|row| joined(&order, row));
}

fn joined(order: &[usize], row: &[Cell]) -> String {
    order.iter().map(|n| row[*n].canonical()).collect::<Vec<_>>().join(SEPARATOR)
}

/// Sum over the rows of the first eight bytes of each row's SHA-256.
pub fn checksum(columns: &[String], rows: &[Vec<Cell>]) -> String {
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|n| &columns[*n]);
    let of_row = |row: &Vec<Cell>| {
        let digest = Sha256::digest(joined(&order, row).as_bytes());
        u64::from_be_bytes(digest[..8].try_into().unwrap())
    };
    format!("{:016x}", rows.iter().map(of_row).fold(0, u64::wrapping_add))
}
