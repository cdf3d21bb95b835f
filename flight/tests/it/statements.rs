use arrow::{
    array::{Decimal128Array, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use arrow_flight::{
    FlightDescriptor,
    decode::FlightRecordBatchStream,
    sql::{Any, CommandStatementQuery, ProstMessageExt, TicketStatementQuery},
};
use futures::TryStreamExt;
use prost::Message;
use std::{sync::Arc, time::Duration};
use tonic::Code;

use crate::{
    server::{Server, failure, fetch, lines, ticket},
    shop::{DEFINITIONS, definitions},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_described_then_fetched_as_often_as_wanted() {
    let server = Server::start().await;
    server.shop.order(0, "ann", "1.50", 1);
    let mut client = server.ann().await;
    let info = client.execute("SELECT user_id, revenue FROM order_completed".to_owned(), None).await.unwrap();
    assert_eq!((info.total_records, info.total_bytes, info.endpoint.len()), (-1, -1, 1));
    assert!(info.endpoint[0].location.is_empty() && info.endpoint[0].expiration_time.is_some());
    for _ in 0..2 {
        assert_eq!(lines(&fetch(&mut client, info.clone()).await.unwrap()), ["ann | 1.50"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_rows_keeps_its_columns() {
    let server = Server::start().await;
    let mut client = server.ann().await;
    let sql = "SELECT * FROM events.order_completed WHERE false";
    let info = client.execute(sql.to_owned(), None).await.unwrap();
    let rows = fetch(&mut client, info).await.unwrap();
    assert_eq!(rows.num_rows(), 0);
    assert!(rows.num_columns() > 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn get_schema_and_poll_say_the_same_as_get_flight_info() {
    let server = Server::start().await;
    let mut client = server.ann().await;
    let sql = "SELECT count(*) AS n, max(revenue) AS r FROM order_completed";
    let announced = client.execute(sql.to_owned(), None).await.unwrap().try_decode_schema().unwrap();
    let command = CommandStatementQuery { query: sql.to_owned(), transaction_id: None };
    let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
    let inner = client.inner_mut();
    let mut request = tonic::Request::new(descriptor.clone());
    request.metadata_mut().insert("authorization", "Bearer ann-key".parse().unwrap());
    let schema = inner.get_schema(request).await.unwrap().into_inner();
    assert_eq!(Schema::try_from(&schema).unwrap(), announced);
    let mut request = tonic::Request::new(descriptor);
    request.metadata_mut().insert("authorization", "Bearer ann-key".parse().unwrap());
    let poll = inner.poll_flight_info(request).await.unwrap().into_inner();
    assert!(poll.flight_descriptor.is_none());
    assert_eq!(poll.progress, Some(1.0));
    assert_eq!(poll.info.unwrap().try_decode_schema().unwrap(), announced);
}

fn one_row(columns: Vec<(&str, arrow::array::ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_statement_takes_parameters_again_and_again() {
    let server = Server::start().await;
    server.shop.order(0, "ann", "1.00", 5);
    server.shop.order(1, "bob", "2.00", 6);
    let mut client = server.ann().await;
    let sql = "SELECT user_id FROM order_completed WHERE points = ? ORDER BY 1";
    let mut prepared = client.prepare(sql.to_owned(), None).await.unwrap();
    assert_eq!(prepared.dataset_schema().unwrap().fields().len(), 1);
    let parameter = Field::new("$1", DataType::Int64, true);
    assert_eq!(prepared.parameter_schema().unwrap(), &Schema::new(vec![parameter]));
    for (values, expect) in [
        (vec![Some(5)], vec!["ann"]),
        (vec![Some(6)], vec!["bob"]),
        (vec![None], vec![]),
        (vec![Some(6), Some(7), Some(5)], vec!["bob", "ann"]),
    ] {
        let column = Arc::new(Int64Array::from(values.clone()));
        prepared.set_parameters(one_row(vec![("a", column)])).unwrap();
        let info = prepared.execute().await.unwrap();
        assert_eq!(lines(&fetch(&mut client, info).await.unwrap()), expect, "{values:?}");
    }
    prepared.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_of_several_types_are_bound() {
    let server = Server::start().await;
    server.shop.order(0, "ann", "1.00", 5);
    let mut client = server.ann().await;
    let sql = "SELECT user_id FROM order_completed WHERE revenue = $1 AND user_id = $2 AND points = $3";
    let mut prepared = client.prepare(sql.to_owned(), None).await.unwrap();
    let decimal = Decimal128Array::from(vec![100]).with_precision_and_scale(12, 2).unwrap();
    let columns: Vec<(&str, arrow::array::ArrayRef)> = vec![
        ("a", Arc::new(decimal)),
        ("b", Arc::new(StringArray::from(vec!["ann"]))),
        ("c", Arc::new(StringArray::from(vec!["5"]))),
    ];
    prepared.set_parameters(one_row(columns)).unwrap();
    let info = prepared.execute().await.unwrap();
    assert_eq!(lines(&fetch(&mut client, info).await.unwrap()), ["ann"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_have_the_code_of_their_kind() {
    let server = Server::start().await;
    let mut client = server.ann().await;
    let check = [
        ("SELEC 1", Code::InvalidArgument, "syntax error"),
        ("SELECT * FROM nothing", Code::InvalidArgument, "unknown table 'nothing'"),
        ("DROP TABLE warehouse.tracks", Code::InvalidArgument, "DROP is refused"),
        ("SET a = 1", Code::Unimplemented, "settings are not kept"),
    ];
    for (sql, code, text) in check {
        let (got, message) = failure(client.execute(sql.to_owned(), None).await.unwrap_err());
        assert_eq!(got, code, "{sql}: {message}");
        assert!(message.contains(text), "{sql}: {message}");
    }
    let info =
        client.execute("SELECT 1 / (points - points) FROM order_completed".to_owned(), None).await.unwrap();
    server.shop.order(0, "ann", "1.00", 1);
    let (code, message) = failure(fetch(&mut client, info).await.unwrap_err());
    assert_eq!((code, message.as_str()), (Code::InvalidArgument, "division by zero"));
}

#[tokio::test(flavor = "multi_thread")]
async fn writing_is_refused_with_a_text() {
    let server = Server::start().await;
    let mut client = server.ann().await;
    let (code, message) =
        failure(client.execute_update("DELETE FROM warehouse.tracks".to_owned(), None).await.unwrap_err());
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("writing is refused"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_bound_to_its_principal_and_its_time() {
    let server = Server::start().await;
    let mut ann = server.ann().await;
    let info = ann.execute("SELECT 1".to_owned(), None).await.unwrap();
    let mut bob = server.client("bob-key").await;
    let refused = bob.do_get(ticket(&info)).await.unwrap_err();
    assert_eq!(failure(refused).0, Code::NotFound);
    let mut forged = ticket(&info);
    let mut bytes = forged.ticket.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    forged.ticket = bytes.into();
    assert_eq!(failure(ann.do_get(forged).await.unwrap_err()).0, Code::NotFound);
    server.clock.advance(Duration::from_secs(16 * 60));
    assert_eq!(failure(ann.do_get(ticket(&info)).await.unwrap_err()).0, Code::FailedPrecondition);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_holds_the_query_so_that_no_server_has_to() {
    let server = Server::start().await;
    let mut client = server.ann().await;
    let info = client.execute("SELECT 1".to_owned(), None).await.unwrap();
    let any = Any::decode(&ticket(&info).ticket[..]).unwrap();
    let sealed: TicketStatementQuery = any.unpack().unwrap().unwrap();
    assert!(sealed.statement_handle.len() < 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_stay_below_two_mebibytes() {
    let server = Server::start().await;
    let mut client = server.ann().await;
    let sql = "SELECT n, repeat('x', 300) AS text FROM generate_series(1, 40000) AS t(n)";
    let info = client.execute(sql.to_owned(), None).await.unwrap();
    let mut request = tonic::Request::new(ticket(&info));
    request.metadata_mut().insert("authorization", "Bearer ann-key".parse().unwrap());
    let messages = client.inner_mut().do_get(request).await.unwrap().into_inner();
    let messages: Vec<_> = messages.try_collect().await.unwrap();
    let largest = messages.iter().map(Message::encoded_len).max().unwrap();
    assert!(largest <= 2 * 1024 * 1024, "{largest}");
    let decoded =
        FlightRecordBatchStream::new_from_flight_data(futures::stream::iter(messages.into_iter().map(Ok)));
    let batches: Vec<RecordBatch> = decoded.try_collect().await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 40_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_ends_with_the_definitions_it_was_made_under() {
    let server = Server::start().await;
    let mut client = server.ann().await;
    let info = client.execute("SELECT 1".to_owned(), None).await.unwrap();
    let before = server.shop.engine.catalog();
    server.shop.definitions.send_replace(definitions(&DEFINITIONS.replace("Ordered once.", "Ordered.")));
    let (code, text) = failure(client.do_get(ticket(&info)).await.unwrap_err());
    assert_eq!(code, Code::FailedPrecondition, "{text}");
    server.shop.definitions.send_replace(before);
    assert_eq!(lines(&fetch(&mut client, info).await.unwrap()), ["1"]);
}
