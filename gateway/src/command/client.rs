use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::cli::Server;

/// A REST client of a running server.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    key: Option<String>,
}

impl Client {
    pub(crate) fn new(server: &Server) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build().context("the HTTP client")?;
        Ok(Self { http, base: server.server.trim_end_matches('/').to_owned(), key: server.api_key.clone() })
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.send(self.http.get(format!("{}{path}", self.base)), "application/json").await?;
        answer.json().await.context("the answer is not JSON")
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.http.post(format!("{}{path}", self.base)).json(body);
        self.send(request, "application/json").await?.json().await.context("the answer is not JSON")
    }

    /// The answer's bytes, complete or an error: a stream that breaks off never looks whole.
    pub(crate) async fn stream(&self, path: &str, body: &Value, accept: &str) -> anyhow::Result<Vec<u8>> {
        let request = self.http.post(format!("{}{path}", self.base)).json(body);
        let answer = self.send(request, accept).await?;
        Ok(answer.bytes().await.context("the answer broke off")?.to_vec())
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        accept: &str,
    ) -> anyhow::Result<reqwest::Response> {
        let mut request = request.header("accept", accept);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let answer = request.send().await.with_context(|| {
            format!("no server answers at {}; start one with 'etalon serve', or give --server", self.base)
        })?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let problem: Value = answer.json().await.unwrap_or_default();
        match problem["detail"].as_str().or_else(|| problem["message"].as_str()) {
            Some(detail) => bail!("{detail}"),
            None => bail!("the server answered {status}"),
        }
    }
}
