use eventlog::Log;
use model::{Event, Offset, Record, RecordKind, Timestamp};

use super::{Fingerprint, Shared};
use crate::{Error, webhook};

impl Shared {
    /// Reads the log from `from` and learns its events (C-33).
    pub(super) fn catch_up<L: Log>(&self, log: &L, from: Offset) -> Result<(), Error> {
        let oldest = self.clock.now().minus(self.options.window);
        let end = log.end();
        let mut at = first_since(log, from, end, oldest)?;
        while at < end {
            let batch = match log.read(at, 4 << 20) {
                Ok(batch) if batch.is_empty() => break,
                Ok(batch) => batch,
                Err(error) => match error.damaged() {
                    Some((first, next)) if next > at => {
                        tracing::warn!(%first, %next, "damaged records are missing from the index of seen messages");
                        at = next;
                        continue;
                    }
                    _ => return Err(error.into()),
                },
            };
            batch.records().try_for_each(|record| self.learn(&record))?;
            at = batch.next();
            self.flush(at)?;
        }
        Ok(())
    }

    fn learn(&self, record: &Record<'_>) -> Result<(), Error> {
        if record.kind != RecordKind::Event {
            return Ok(());
        }
        let event = Event::decode(record.payload)?;
        let mut index = self.index.lock();
        index.hot.insert(Fingerprint::of(event.source, event.message_id), record.at);
        if let Some(content) = webhook::content(&event) {
            index.hot.insert(Fingerprint::of_content(event.source, event.message_id, &content), record.at);
        }
        Ok(())
    }
}

/// The first offset whose record is not older than `oldest`; the log's clock never goes back, so
/// halving finds it.
fn first_since<L: Log>(log: &L, from: Offset, end: Offset, oldest: Timestamp) -> Result<Offset, Error> {
    let (mut low, mut high) = (from.0, end.0);
    while low < high {
        let middle = low + (high - low) / 2;
        let at = match log.read(Offset(middle), 1) {
            Ok(batch) => batch.records().next().map(|record| record.at),
            Err(error) if error.damaged().is_some() => return Ok(from),
            Err(error) => return Err(error.into()),
        };
        match at {
            Some(at) if at < oldest => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(Offset(low))
}
