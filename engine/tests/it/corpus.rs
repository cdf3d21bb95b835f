//! Suites of metric queries with expected rows: a folder of tables, definitions and cases, each answered
//! by the embedded engine and by PostgreSQL on equal data, and compared.

mod answer;
mod case;
mod cell;
mod compare;
mod embedded;
mod postgres;
mod suite;
mod table;

pub use embedded::Embedded;
pub use postgres::Postgres;
pub use suite::{Form, Suite};
