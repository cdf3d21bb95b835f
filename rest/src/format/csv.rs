use arrow::{array::RecordBatch, datatypes::SchemaRef};
use engine::json::{self, Cell};

use super::{Failure, Format};

/// RFC 4180 with a header line. Null is an empty field, an empty text is `""`.
pub(crate) struct Csv;

impl Format for Csv {
    const MEDIA_TYPE: &'static str = "text/csv; charset=utf-8";

    fn start(schema: &SchemaRef) -> Result<(Self, Vec<u8>), Failure> {
        let mut out = String::new();
        for (i, field) in schema.fields().iter().enumerate() {
            separate(i, &mut out);
            quote(field.name(), &mut out);
        }
        out.push_str("\r\n");
        Ok((Self, out.into_bytes()))
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, Failure> {
        let mut out = String::with_capacity(batch.num_rows() * 32);
        for row in 0..batch.num_rows() {
            for (i, cell) in json::row(batch, row).enumerate() {
                separate(i, &mut out);
                write(&cell, &mut out);
            }
            out.push_str("\r\n");
        }
        Ok(out.into_bytes())
    }

    /// CSV has no place for it; the response's headers carry the provenance.
    fn end(self, _: &str) -> Result<Vec<u8>, Failure> {
        Ok(Vec::new())
    }
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

fn write(cell: &Cell<'_>, out: &mut String) {
    match cell {
        Cell::Null => {}
        Cell::Integer(value) => out.push_str(&value.to_string()),
        Cell::Text(text) => quote(text, out),
        Cell::Bool(_) | Cell::Float(_) => cell.write(out),
        Cell::List(_) | Cell::Object(_) => {
            let mut text = String::new();
            cell.write(&mut text);
            quote(&text, out);
        }
    }
}

fn quote(text: &str, out: &mut String) {
    let special = |c: char| matches!(c, ',' | '"' | '\r' | '\n');
    if text.is_empty() || text.contains(special) {
        out.push('"');
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(text);
    }
}
