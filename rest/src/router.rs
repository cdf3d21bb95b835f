use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequestParts},
    http::{header, request::Parts},
    routing::{get, post},
};
use model::{Clock, Principal};

use crate::{
    Error,
    routes::{audience, catalog, changes, profile, query},
};

/// Tells who a bearer token, or the lack of one, stands for. `None` refuses.
pub type Authenticate = Arc<dyn Fn(Option<&str>) -> Option<Principal> + Send + Sync>;

/// What the endpoints read from.
#[derive(Clone)]
pub struct Deps {
    /// Answers queries.
    pub engine: engine::Engine,
    /// The live profiles.
    pub identity: identity::Handle,
    /// The live memberships.
    pub audiences: audiences::Handle,
    /// Their changes.
    pub changes: delivery::ChangeLog,
    /// Who asks.
    pub auth: Authenticate,
    /// For explanations and waits.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").finish_non_exhaustive()
    }
}

const MAX_BODY: usize = 1024 * 1024;

/// Longest wait of a pull for changes.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Everything under `/api/v1`.
pub fn router(deps: Deps) -> Router {
    Router::new()
        .route("/api/v1/query", post(query::metrics))
        .route("/api/v1/sql", post(query::sql))
        .route("/api/v1/compile", post(query::compile))
        .route("/api/v1/metrics", get(catalog::metrics))
        .route("/api/v1/dimensions", get(catalog::dimensions))
        .route("/api/v1/audiences", get(audience::list))
        .route("/api/v1/audiences/changes", get(changes::of_all))
        .route("/api/v1/audiences/{name}", get(audience::one))
        .route("/api/v1/audiences/{name}/members", get(audience::members))
        .route("/api/v1/audiences/{name}/explain", get(audience::explain))
        .route("/api/v1/audiences/{name}/changes", get(changes::of_one))
        .route("/api/v1/profiles/{id}", get(profile::by_id))
        .route("/api/v1/profiles/by/{kind}/{value}", get(profile::by_identifier))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(deps)
}

/// A caller that may ask. Handlers take it, so that none forgets to.
pub(crate) struct Caller(pub(crate) Principal);

impl FromRequestParts<Deps> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, deps: &Deps) -> Result<Self, Error> {
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = header.and_then(|value| {
            let (scheme, token) = value.trim().split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let principal = (deps.auth)(bearer).ok_or(Error::Unauthenticated)?;
        // Profiles and memberships are read from memory: what was acknowledged must be there too.
        deps.engine.fresh().await?;
        Ok(Self(principal))
    }
}
