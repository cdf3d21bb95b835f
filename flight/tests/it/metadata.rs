use arrow::{array::BinaryArray, datatypes::Schema};
use arrow_flight::{
    IpcMessage,
    sql::{
        CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys,
        CommandGetPrimaryKeys, CommandGetTables, CommandGetXdbcTypeInfo, SqlInfo,
    },
};
use bytes::Bytes;

use crate::server::{Server, fetch, lines};

#[tokio::test(flavor = "multi_thread")]
async fn catalogs_schemas_and_types_are_listed() {
    let server = Server::start().await;
    let mut client = server.ann().await;
    let info = client.get_catalogs().await.unwrap();
    assert_eq!(lines(&fetch(&mut client, info).await.unwrap()), ["etalon"]);
    let pattern = CommandGetDbSchemas { catalog: None, db_schema_filter_pattern: Some("%s".to_owned()) };
    let info = client.get_db_schemas(pattern).await.unwrap();
    let schemas = lines(&fetch(&mut client, info).await.unwrap());
    assert_eq!(schemas, ["etalon | audiences", "etalon | events", "etalon | metrics", "etalon | profiles"]);
    let info = client.get_table_types().await.unwrap();
    assert_eq!(lines(&fetch(&mut client, info).await.unwrap()), ["TABLE", "VIEW"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_come_by_pattern_and_with_their_columns() {
    let server = Server::start().await;
    let mut client = server.ann().await;
    let command = |with_schema| CommandGetTables {
        catalog: Some("etalon".to_owned()),
        db_schema_filter_pattern: None,
        table_name_filter_pattern: Some("order_comp%".to_owned()),
        table_types: Vec::new(),
        include_schema: with_schema,
    };
    let info = client.get_tables(command(false)).await.unwrap();
    assert_eq!(
        lines(&fetch(&mut client, info).await.unwrap()),
        ["etalon | events | order_completed | VIEW", "etalon | warehouse | order_completed | TABLE",]
    );
    let only_views = CommandGetTables { table_types: vec!["VIEW".to_owned()], ..command(true) };
    let info = client.get_tables(only_views).await.unwrap();
    let tables = fetch(&mut client, info).await.unwrap();
    assert_eq!(tables.num_rows(), 1);
    let schemas = tables.column(4).as_any().downcast_ref::<BinaryArray>().unwrap();
    let columns = Schema::try_from(IpcMessage(Bytes::copy_from_slice(schemas.value(0)))).unwrap();
    let info = client.execute("SELECT * FROM events.order_completed".to_owned(), None).await.unwrap();
    assert_eq!(columns, info.try_decode_schema().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_info_has_the_standard_columns() {
    let server = Server::start().await;
    let mut client = server.ann().await;
    let info = client.get_sql_info(vec![]).await.unwrap();
    let all = fetch(&mut client, info).await.unwrap();
    assert_eq!(all.num_rows(), 50);
    let fields: Vec<String> =
        all.schema().fields().iter().map(|f| format!("{} {}", f.name(), f.is_nullable())).collect();
    assert_eq!(fields, ["info_name false", "value false"]);
    let wanted = vec![SqlInfo::FlightSqlServerName, SqlInfo::FlightSqlServerTransaction];
    let info = client.get_sql_info(wanted).await.unwrap();
    let some = lines(&fetch(&mut client, info).await.unwrap());
    assert_eq!(some.len(), 2);
    assert!(some[0].starts_with('0') && some[0].contains("Etalon"), "{some:?}");
    assert!(some[1].starts_with('8') && some[1].contains('1'), "{some:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_have_columns_and_no_rows() {
    let server = Server::start().await;
    let mut client = server.ann().await;
    let check = |schema: &Schema, rows: usize, columns: usize| {
        assert_eq!((schema.fields().len(), rows), (columns, 0));
    };
    let table = "order_completed".to_owned();
    let info = client
        .get_primary_keys(CommandGetPrimaryKeys { catalog: None, db_schema: None, table: table.clone() })
        .await
        .unwrap();
    let rows = fetch(&mut client, info).await.unwrap();
    check(&rows.schema(), rows.num_rows(), 6);
    let exported = CommandGetExportedKeys { catalog: None, db_schema: None, table: table.clone() };
    let info = client.get_exported_keys(exported).await.unwrap();
    let rows = fetch(&mut client, info).await.unwrap();
    check(&rows.schema(), rows.num_rows(), 13);
    let imported = CommandGetImportedKeys { catalog: None, db_schema: None, table };
    let info = client.get_imported_keys(imported).await.unwrap();
    let rows = fetch(&mut client, info).await.unwrap();
    check(&rows.schema(), rows.num_rows(), 13);
    let info = client.get_cross_reference(CommandGetCrossReference::default()).await.unwrap();
    let rows = fetch(&mut client, info).await.unwrap();
    check(&rows.schema(), rows.num_rows(), 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn types_are_described() {
    let server = Server::start().await;
    let mut client = server.ann().await;
    let info = client.get_xdbc_type_info(CommandGetXdbcTypeInfo { data_type: Some(-5) }).await.unwrap();
    let types = fetch(&mut client, info).await.unwrap();
    assert_eq!((types.num_columns(), types.num_rows()), (19, 1));
    assert!(lines(&types)[0].starts_with("bigint"));
}
