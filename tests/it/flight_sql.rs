//! The unmodified `adbc-driver-flightsql` connects, lists tables and queries.

use serde_json::json;

use crate::{client::run_python, server::Server};

#[tokio::test]
async fn adbc_python_lists_and_queries() {
    let server = Server::start().await;
    for (id, revenue, currency) in [("o1", "10.25", "EUR"), ("o2", "20.25", "EUR"), ("o3", "7.25", "USD")] {
        let call = format!(
            r#"{{"batch":[{{"type":"track","userId":"u1","messageId":"{id}","event":"Order Completed","properties":{{"order_id":"{id}","revenue":{revenue},"currency":"{currency}"}}}}]}}"#
        );
        assert_eq!(server.post("/v1/batch", call).await.status(), 200);
    }
    server.track(json!({"type": "identify", "userId": "u1", "traits": {"country": "DE"}})).await;
    assert_eq!(run_python("adbc.py", &[&server.flight], "").await.trim(), "ok");
}
