use arrow::{array::RecordBatch, datatypes::SchemaRef};
use engine::json;

use super::{Failure, Format};

/// An object a line; the last line is `{"$end": <provenance>}`.
pub(crate) struct Ndjson {
    /// `"name":` of each column, quoted once.
    names: Vec<String>,
}

impl Format for Ndjson {
    const MEDIA_TYPE: &'static str = "application/x-ndjson";

    fn start(schema: &SchemaRef) -> Result<(Self, Vec<u8>), Failure> {
        let names = schema.fields().iter().map(|field| format!("{}:", model::json::quote(field.name())));
        Ok((Self { names: names.collect() }, Vec::new()))
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, Failure> {
        let mut out = String::with_capacity(batch.num_rows() * 64);
        for row in 0..batch.num_rows() {
            for (i, (name, cell)) in self.names.iter().zip(json::row(batch, row)).enumerate() {
                out.push(if i == 0 { '{' } else { ',' });
                out.push_str(name);
                cell.write(&mut out);
            }
            out.push_str(if self.names.is_empty() { "{}\n" } else { "}\n" });
        }
        Ok(out.into_bytes())
    }

    fn end(self, result: &str) -> Result<Vec<u8>, Failure> {
        Ok(format!("{{\"$end\":{result}}}\n").into_bytes())
    }
}
