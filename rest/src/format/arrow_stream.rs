use arrow::{array::RecordBatch, datatypes::SchemaRef, ipc::writer::StreamWriter};

use super::{Failure, Format};

/// The Arrow IPC stream format; its end-of-stream mark is the end.
pub(crate) struct ArrowStream {
    writer: StreamWriter<Vec<u8>>,
}

impl Format for ArrowStream {
    const MEDIA_TYPE: &'static str = "application/vnd.apache.arrow.stream";

    fn start(schema: &SchemaRef) -> Result<(Self, Vec<u8>), Failure> {
        let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
        let head = std::mem::take(writer.get_mut());
        Ok((Self { writer }, head))
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, Failure> {
        self.writer.write(batch)?;
        Ok(std::mem::take(self.writer.get_mut()))
    }

    fn end(mut self, _: &str) -> Result<Vec<u8>, Failure> {
        self.writer.finish()?;
        Ok(std::mem::take(self.writer.get_mut()))
    }
}
