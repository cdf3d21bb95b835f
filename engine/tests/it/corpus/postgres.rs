use bytes::Bytes;
use futures::SinkExt;
use tokio::net::TcpStream;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage, types::Type};

use super::{
    answer::{Answer, Column, Family},
    cell::Cell,
    table::{ColumnKind, Table},
};

/// A throw-away PostgreSQL that holds a suite's tables.
#[derive(Debug)]
pub struct Postgres {
    client: Client,
    _server: testkit::Postgres,
}

impl Postgres {
    /// Every schema holds every table.
    pub async fn over(tables: &[Table], schemas: &[&str]) -> Self {
        let server = testkit::Postgres::start().unwrap();
        let stream = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
        let mut config = Config::new();
        config.user("etalon").dbname("postgres").options("-c statement_timeout=120s");
        let (client, connection) = config.connect_raw(stream, NoTls).await.unwrap();
        tokio::spawn(connection);
        for schema in schemas {
            client.batch_execute(&format!("CREATE SCHEMA \"{schema}\"")).await.unwrap();
        }
        let (first, others) = schemas.split_first().unwrap();
        for table in tables {
            let columns: Vec<String> =
                table.columns.iter().map(|(name, kind)| format!("\"{name}\" {}", type_name(*kind))).collect();
            let (name, columns) = (&table.name, columns.join(", "));
            client.batch_execute(&format!("CREATE TABLE \"{first}\".\"{name}\" ({columns})")).await.unwrap();
            let into = format!("COPY \"{first}\".\"{name}\" FROM STDIN");
            let mut sink = Box::pin(client.copy_in::<_, Bytes>(&into).await.unwrap());
            sink.send(Bytes::from(copy_text(table))).await.unwrap();
            assert_eq!(sink.as_mut().finish().await.unwrap(), table.rows.len() as u64);
            for schema in others {
                let view = format!("CREATE VIEW \"{schema}\".\"{name}\" AS TABLE \"{first}\".\"{name}\"");
                client.batch_execute(&view).await.unwrap();
            }
        }
        client.batch_execute("ANALYZE").await.unwrap();
        Self { client, _server: server }
    }

    pub async fn answer(&self, sql: &str) -> Result<Answer, String> {
        let failed = |error: tokio_postgres::Error| match error.as_db_error() {
            Some(error) => format!("{} {}", error.code().code(), error.message()),
            None => error.to_string(),
        };
        let statement = self.client.prepare(sql).await.map_err(failed)?;
        let column =
            |c: &tokio_postgres::Column| Column { name: c.name().to_owned(), family: family(c.type_()) };
        let columns: Vec<Column> = statement.columns().iter().map(column).collect();
        let mut rows = Vec::new();
        for message in self.client.simple_query(sql).await.map_err(failed)? {
            let SimpleQueryMessage::Row(row) = message else { continue };
            let cells = columns.iter().enumerate().map(|(n, column)| cell(row.get(n), &column.family));
            rows.push(cells.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(Answer { columns, rows })
    }
}

fn type_name(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text => "text",
        ColumnKind::Whole => "bigint",
        ColumnKind::Float => "double precision",
        ColumnKind::Decimal => "numeric(12,2)",
        ColumnKind::Boolean => "boolean",
        ColumnKind::Date => "date",
        ColumnKind::Time | ColumnKind::TimeNanos => "timestamp",
        ColumnKind::TimeUtc => "timestamptz",
    }
}

fn copy_text(table: &Table) -> String {
    let mut text = String::new();
    for row in &table.rows {
        let fields = row.iter().zip(&table.columns).map(|(cell, (_, kind))| match (cell, kind) {
            (Cell::Null, _) => r"\N".to_owned(),
            (Cell::Text(text), _) => escaped(text),
            // The shortest text that is this float again.
            (Cell::Fraction(value), _) => value.to_string(),
            (Cell::Time(_), ColumnKind::TimeUtc) => format!("{}Z", cell.canonical()),
            _ => cell.canonical(),
        });
        text.push_str(&fields.collect::<Vec<_>>().join("\t"));
        text.push('\n');
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('\t', r"\t").replace('\n', r"\n").replace('\r', r"\r")
}

fn family(data_type: &Type) -> Family {
    match *data_type {
        Type::BOOL => Family::Boolean,
        Type::INT2 | Type::INT4 | Type::INT8 => Family::Whole,
        Type::NUMERIC => Family::Decimal,
        Type::FLOAT4 | Type::FLOAT8 => Family::Float,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME => Family::Text,
        Type::DATE => Family::Date,
        Type::TIMESTAMP => Family::Time,
        Type::TIMESTAMPTZ => Family::TimeUtc,
        ref other => Family::Other(other.name().to_owned()),
    }
}

fn cell(text: Option<&str>, family: &Family) -> Result<Cell, String> {
    let Some(text) = text else { return Ok(Cell::Null) };
    let read = match family {
        Family::Boolean => Some(Cell::Boolean(text == "t")),
        Family::Whole | Family::Decimal | Family::Float => Cell::parse_number(text),
        Family::Text => Some(Cell::Text(text.to_owned())),
        Family::Date | Family::Time | Family::TimeUtc => Cell::parse_time(text),
        Family::Other(_) => None,
    };
    read.ok_or_else(|| format!("'{text}' of type {family:?}"))
}
