use arrow_flight::{
    Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightEndpoint,
    RenewFlightEndpointRequest,
    sql::{EndTransaction, client::FlightSqlServiceClient},
};
use futures::TryStreamExt;
use prost::Message;
use tonic::{Code, Request, transport::Channel};

use crate::server::{Server, failure, ticket};

async fn act(client: &mut FlightSqlServiceClient<Channel>, action: Action) -> Result<Vec<u8>, tonic::Status> {
    let mut request = Request::new(action);
    request.metadata_mut().insert("authorization", "Bearer ann-key".parse().unwrap());
    let results = client.inner_mut().do_action(request).await?.into_inner();
    let results: Vec<_> = results.try_collect().await?;
    Ok(results.first().map(|result| result.body.to_vec()).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_accepted() {
    let server = Server::start().await;
    let mut client = server.ann().await;
    let transaction = client.begin_transaction().await.unwrap();
    assert!(!transaction.is_empty());
    client.execute("SELECT 1".to_owned(), Some(transaction.clone())).await.unwrap();
    client.end_transaction(transaction, EndTransaction::Commit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_query_is_cancelled_from_another_connection() {
    let server = Server::start().await;
    let mut client = server.ann().await;
    let sql = "SELECT n FROM generate_series(1, 100000000000) AS t(n)";
    let info = client.execute(sql.to_owned(), None).await.unwrap();
    let body = CancelFlightInfoRequest::new(info.clone()).encode_to_vec();
    let mut other = server.ann().await;
    let idle = act(&mut other, Action::new("CancelFlightInfo", body.clone())).await.unwrap();
    assert_eq!(CancelFlightInfoResult::decode(&idle[..]).unwrap().status(), CancelStatus::NotCancellable);
    let mut rows = client.do_get(ticket(&info)).await.unwrap();
    rows.try_next().await.unwrap();
    let cancelled = act(&mut other, Action::new("CancelFlightInfo", body)).await.unwrap();
    assert_eq!(CancelFlightInfoResult::decode(&cancelled[..]).unwrap().status(), CancelStatus::Cancelled);
    let end = loop {
        match rows.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a cancelled stream ended cleanly"),
            Err(error) => break error,
        }
    };
    assert_eq!(failure(end).0, Code::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_can_be_renewed() {
    let server = Server::start().await;
    let mut client = server.ann().await;
    let info = client.execute("SELECT 1".to_owned(), None).await.unwrap();
    server.clock.advance(std::time::Duration::from_secs(10 * 60));
    let body = RenewFlightEndpointRequest { endpoint: Some(info.endpoint[0].clone()) }.encode_to_vec();
    let renewed = act(&mut client, Action::new("RenewFlightEndpoint", body)).await.unwrap();
    let renewed = FlightEndpoint::decode(&renewed[..]).unwrap();
    server.clock.advance(std::time::Duration::from_secs(10 * 60));
    client.do_get(renewed.ticket.unwrap()).await.unwrap();
    assert_eq!(failure(client.do_get(ticket(&info)).await.unwrap_err()).0, Code::FailedPrecondition);
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_that_are_not_offered_are_unimplemented() {
    let server = Server::start().await;
    let mut client = server.ann().await;
    for name in ["CreatePreparedSubstraitPlan", "Nonsense"] {
        assert_eq!(act(&mut client, Action::new(name, "")).await.unwrap_err().code(), Code::Unimplemented);
    }
}
