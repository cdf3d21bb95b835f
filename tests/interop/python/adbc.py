"""Asks over Arrow Flight SQL with adbc-driver-flightsql, as a BI tool or notebook would."""
import sys
import warnings

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow as pa

warnings.simplefilter("error")
uri = sys.argv[1]
connection = flight_sql.connect(uri)
cursor = connection.cursor()

# What is there, at all four depths.
depths = {d: connection.adbc_get_objects(depth=d).read_all().to_pylist() for d in ("catalogs", "db_schemas", "tables", "all")}
assert [c["catalog_name"] for c in depths["catalogs"]] == ["etalon"], depths["catalogs"]
schemas = {s["db_schema_name"]: s for s in depths["all"][0]["catalog_db_schemas"]}
assert {"events", "profiles", "audiences"} <= set(schemas), sorted(schemas)
events = {t["table_name"]: t for t in schemas["events"]["db_schema_tables"]}
columns = {c["column_name"] for c in events["order_completed"]["table_columns"]}
assert {"order_id", "revenue", "profile_id", "timestamp"} <= columns, columns
schema = connection.adbc_get_table_schema("order_completed", db_schema_filter="events")
assert schema.field("revenue").type == pa.decimal128(12, 2), schema
assert {"TABLE", "VIEW"} <= set(connection.adbc_get_table_types())
assert connection.adbc_get_info()["vendor_name"], connection.adbc_get_info()

# Rows, typed.
cursor.execute("SELECT currency, sum(revenue) AS revenue, count(*) AS orders FROM events.order_completed GROUP BY currency ORDER BY currency")
table = cursor.fetch_arrow_table()
assert table.to_pylist() == [
    {"currency": "EUR", "revenue": __import__("decimal").Decimal("30.50"), "orders": 2},
    {"currency": "USD", "revenue": __import__("decimal").Decimal("7.25"), "orders": 1},
], table.to_pylist()

# No rows keep their columns.
cursor.execute("SELECT order_id, revenue FROM events.order_completed WHERE false")
table = cursor.fetch_arrow_table()
assert table.num_rows == 0 and table.column_names == ["order_id", "revenue"], table

# Parameters, bound twice.
for currency, count in (("EUR", 2), ("USD", 1)):
    cursor.execute("SELECT count(*) AS n FROM events.order_completed WHERE currency = $1", (currency,))
    assert cursor.fetchone() == (count,), currency

# Faults arrive as the client's own errors, with a text that helps.
for statement, text in (
    ("SELEKT 1", "SELEKT"),
    ("SELECT revenu FROM events.order_completed", "revenu"),
    ("DROP TABLE events.order_completed", "read"),
):
    try:
        cursor.execute(statement)
        cursor.fetchall()
        sys.exit(f"{statement} did not fail")
    except Exception as error:
        assert text.lower() in str(error).lower(), f"{statement}: {error}"

cursor.close()
connection.close()
print("ok")
