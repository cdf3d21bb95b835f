//! Rows that cannot be derived again from the present state: they are committed with it, and kept
//! until the warehouse has them on disk.

use model::{CodecError, Decoder, Encoder, Offset, Timestamp, Value};
use state::{Batch, Keyspace};
use warehouse::Upsert;

use crate::Error;

/// Committed with the state, emitted again after a restart, dropped once durable in the warehouse.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    rows: Keyspace,
}

impl Outbox {
    pub(crate) fn new(rows: Keyspace) -> Self {
        Self { rows }
    }

    /// Adds the row to a commit. `n` tells rows of one offset apart.
    pub(crate) fn put(&self, batch: &mut Batch, n: u32, upsert: &Upsert) {
        batch.put(&self.rows, key(upsert.offset, n), encode(upsert));
    }

    /// Rows of records at or after `from`, in order.
    pub(crate) fn since(&self, from: Offset, tables: &[&'static str]) -> Result<Vec<Upsert>, Error> {
        let entries = self.rows.range(&key(from, 0), None);
        entries
            .map(|entry| {
                let (key, value) = entry?;
                Ok(decode(&key, &value, tables)?)
            })
            .collect()
    }

    /// Drops rows of records from `from` up to `durable`. Rows before `from` are gone already: a scan
    /// from the start would walk over all their tombstones.
    pub(crate) fn prune(&self, batch: &mut Batch, from: Offset, durable: Offset) -> Result<(), Error> {
        for entry in self.rows.range(&key(from, 0), Some(&key(durable, 0))) {
            batch.delete(&self.rows, entry?.0);
        }
        Ok(())
    }
}

fn key(offset: Offset, n: u32) -> Vec<u8> {
    let mut key = offset.0.to_be_bytes().to_vec();
    key.extend_from_slice(&n.to_be_bytes());
    key
}

fn encode(upsert: &Upsert) -> Vec<u8> {
    let mut out = Encoder::default();
    out.text(upsert.table);
    write_values(&mut out, &upsert.key);
    out.option(upsert.row.as_deref(), write_values);
    out.finish()
}

fn decode(key: &[u8], value: &[u8], tables: &[&'static str]) -> Result<Upsert, CodecError> {
    let mut input = Decoder::new("outbox row", value);
    let name = input.text()?;
    let table = tables.iter().copied().find(|t| *t == name).ok_or_else(|| input.error())?;
    let offset = key.first_chunk::<8>().ok_or_else(|| input.error())?;
    Ok(Upsert {
        table,
        offset: Offset(u64::from_be_bytes(*offset)),
        key: read_values(&mut input)?,
        row: input.option(read_values)?,
    })
}

fn write_values(out: &mut Encoder, values: &[Value]) {
    out.u64(values.len() as u64);
    for value in values {
        match value {
            Value::Null => out.u8(0),
            Value::Boolean(value) => out.u8(1).u8(u8::from(*value)),
            Value::Int64(value) => out.u8(2).i64(*value),
            Value::Float64(value) => out.u8(3).bytes(&value.to_bits().to_be_bytes()),
            Value::Decimal(value) => out.u8(4).bytes(&value.to_be_bytes()),
            Value::Timestamp(value) => out.u8(5).i64(value.as_micros()),
            Value::Text(value) => out.u8(6).text(value),
        };
    }
}

fn read_values(input: &mut Decoder<'_>) -> Result<Vec<Value>, CodecError> {
    let count = input.u64()?;
    (0..count).map(|_| read_value(input)).collect()
}

fn read_value(input: &mut Decoder<'_>) -> Result<Value, CodecError> {
    Ok(match input.u8()? {
        0 => Value::Null,
        1 => Value::Boolean(input.u8()? == 1),
        2 => Value::Int64(input.i64()?),
        3 => {
            let bytes = <[u8; 8]>::try_from(input.bytes()?).map_err(|_| input.error())?;
            Value::Float64(f64::from_bits(u64::from_be_bytes(bytes)))
        }
        4 => {
            let bytes = <[u8; 16]>::try_from(input.bytes()?).map_err(|_| input.error())?;
            Value::Decimal(i128::from_be_bytes(bytes))
        }
        5 => Value::Timestamp(Timestamp::from_micros(input.i64()?)),
        6 => Value::Text(input.text()?.to_owned()),
        _ => return Err(input.error()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use state::Store;

    fn row(offset: u64, row: Option<Vec<Value>>) -> Upsert {
        Upsert {
            table: "identity_map",
            key: vec![Value::Text("web:user:u1".into())],
            row,
            offset: Offset(offset),
        }
    }

    #[test]
    fn rows_come_back_until_they_are_durable() {
        let store = Store::memory();
        let outbox = Outbox::new(store.keyspace("warehouse_outbox").unwrap());
        let rows = [
            row(1, None),
            row(2, Some(vec![Value::Null, Value::Boolean(true), Value::Int64(-3), Value::Float64(0.5)])),
            row(
                2,
                Some(vec![
                    Value::Decimal(-7),
                    Value::Timestamp(Timestamp::from_millis(9)),
                    Value::Text("é".into()),
                ]),
            ),
        ];
        let mut batch = store.batch();
        for (n, row) in rows.iter().enumerate() {
            outbox.put(&mut batch, n as u32, row);
        }
        batch.commit().unwrap();
        assert_eq!(outbox.since(Offset(0), &["identity_map"]).unwrap(), rows);
        assert_eq!(outbox.since(Offset(2), &["identity_map"]).unwrap(), rows[1..]);

        let mut batch = store.batch();
        outbox.prune(&mut batch, Offset(0), Offset(2)).unwrap();
        batch.commit().unwrap();
        assert_eq!(outbox.since(Offset(0), &["identity_map"]).unwrap(), rows[1..]);
    }
}
