use arrow_flight::{
    Action, Criteria, Empty, FlightDescriptor, Ticket,
    flight_service_client::FlightServiceClient,
    sql::{
        ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, Any, CommandGetCatalogs,
        CommandPreparedStatementQuery, CommandStatementQuery, ProstMessageExt,
        client::FlightSqlServiceClient,
    },
};
use prost::Message;
use tonic::{Code, Request};

use crate::server::{Server, failure, ticket};

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_turns_a_password_into_a_token() {
    let server = Server::start().await;
    let mut client = FlightSqlServiceClient::new(server.channel().await);
    let payload = client.handshake("anybody", "ann-key").await.unwrap();
    assert_eq!(payload, "ann-key");
    client.execute("SELECT 1".to_owned(), None).await.unwrap();
    let mut client = FlightSqlServiceClient::new(server.channel().await);
    let refused = client.handshake("anybody", "ann-key2").await.unwrap_err();
    assert!(refused.to_string().contains("API key"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_needs_a_bearer_token() {
    let server = Server::start().await;
    let info = server.ann().await.execute("SELECT 1".to_owned(), None).await.unwrap();
    let command = CommandStatementQuery { query: "SELECT 1".to_owned(), transaction_id: None };
    let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
    let metadata = Ticket::new(CommandGetCatalogs {}.as_any().encode_to_vec());
    for header in [
        None,
        Some("Basic YTphbm4ta2V5"),
        Some("Token ann-key"),
        Some("Bearer ann-ke"),
        Some("Bearer ann-key1"),
    ] {
        let mut client = FlightServiceClient::new(server.channel().await);
        let codes = [
            client.get_flight_info(with(header, descriptor.clone())).await.map(drop),
            client.get_schema(with(header, descriptor.clone())).await.map(drop),
            client.poll_flight_info(with(header, descriptor.clone())).await.map(drop),
            client.do_get(with(header, ticket(&info))).await.map(drop),
            client.do_get(with(header, metadata.clone())).await.map(drop),
            client.do_action(with(header, Action::new("CloseSession", ""))).await.map(drop),
            client.list_actions(with(header, Empty {})).await.map(drop),
            client.list_flights(with(header, Criteria::default())).await.map(drop),
            client.do_put(with(header, futures::stream::empty())).await.map(drop),
        ]
        .map(|outcome| outcome.unwrap_err().code());
        assert_eq!(codes, [Code::Unauthenticated; 9], "{header:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_is_unknown_to_others() {
    let server = Server::start().await;
    let mut ann = server.ann().await;
    let request = ActionCreatePreparedStatementRequest { query: "SELECT 1".to_owned(), transaction_id: None };
    let action = Action::new("CreatePreparedStatement", request.as_any().encode_to_vec());
    let results = ann.inner_mut().do_action(with(Some("Bearer ann-key"), action)).await.unwrap();
    let body = results.into_inner().message().await.unwrap().unwrap().body;
    let created: ActionCreatePreparedStatementResult = Any::decode(body).unwrap().unpack().unwrap().unwrap();
    let handle = created.prepared_statement_handle;
    let mut bob = server.client("bob-key").await;
    let command = CommandPreparedStatementQuery { prepared_statement_handle: handle };
    let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
    let theirs = with(Some("Bearer ann-key"), descriptor.clone());
    ann.inner_mut().get_flight_info(theirs).await.unwrap();
    let refused =
        bob.inner_mut().get_flight_info(with(Some("Bearer bob-key"), descriptor)).await.unwrap_err();
    assert_eq!(failure(refused).0, Code::NotFound);
}

fn with<T>(header: Option<&str>, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(header) = header {
        request.metadata_mut().insert("authorization", header.parse().unwrap());
    }
    request
}
