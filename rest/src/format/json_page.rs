use arrow::{array::RecordBatch, datatypes::SchemaRef};
use engine::json;
use model::json::quote;

/// `{columns, rows, truncated, result}`: one page, whole before it is sent, so that a failure half way
/// still has its own status.
pub(crate) struct JsonPage {
    out: String,
    rows: usize,
}

impl JsonPage {
    /// Most rows of a page; more come by a streamed format.
    pub(crate) const ROWS: usize = 10_000;

    pub(crate) fn start(schema: &SchemaRef) -> Self {
        let columns: Vec<String> = schema
            .fields()
            .iter()
            .map(|field| {
                let (name, kind) = (quote(field.name()), quote(&json::type_name(field.data_type())));
                format!(r#"{{"name":{name},"type":{kind}}}"#)
            })
            .collect();
        Self { out: format!(r#"{{"columns":[{}],"rows":["#, columns.join(",")), rows: 0 }
    }

    /// Takes rows until the page is full; says whether all of the batch fitted.
    pub(crate) fn take(&mut self, batch: &RecordBatch) -> bool {
        let fits = batch.num_rows().min(Self::ROWS - self.rows);
        for row in 0..fits {
            if self.rows > 0 {
                self.out.push(',');
            }
            json::write_row(batch, row, &mut self.out);
            self.rows += 1;
        }
        fits == batch.num_rows()
    }

    pub(crate) fn finish(mut self, truncated: bool, result: &str) -> String {
        self.out.push_str(&format!(r#"],"truncated":{truncated},"result":{result}}}"#));
        self.out
    }
}
