//! The HTTP listener: HTTP/1.1 and HTTP/2, in clear or over TLS, bounded headers and times, graceful stop.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;
use tower::{ServiceExt as _, util::MapRequest};

/// A client that has not shaken hands, or not sent its headers, by then is cut (C-28).
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long open requests may take to end after a stop was asked for.
const DRAIN: Duration = Duration::from_secs(9);

/// Serves until `stop` turns true, then lets open requests finish.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<TlsAcceptor>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder.http2().timer(TokioTimer::new());
    let builder = Arc::new(builder);
    let graceful = GracefulShutdown::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // Out of file descriptors or a peer that is gone already: the next accept may work.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::task::yield_now().await;
                    continue;
                }
            },
            () = stopped(&mut stop) => break,
        };
        // Answers are small and awaited: waiting for more bytes would only add delay.
        _ = stream.set_nodelay(true);
        let connection = Connection {
            router: router.clone(),
            builder: Arc::clone(&builder),
            watcher: graceful.watcher(),
            peer,
        };
        let tls = tls.clone();
        tokio::spawn(async move { connection.serve(stream, tls).await });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
    Ok(())
}

/// One client.
struct Connection {
    router: Router,
    builder: Arc<Builder<TokioExecutor>>,
    watcher: Watcher,
    peer: SocketAddr,
}

impl Connection {
    async fn serve(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        let Some(tls) = tls else { return self.http(stream).await };
        let peer = self.peer;
        match tokio::time::timeout(HEADER_TIMEOUT, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.http(stream).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS connection"),
            Err(_) => tracing::debug!(%peer, "the client did not finish its TLS handshake"),
        }
    }

    async fn http(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = TowerToHyperService::new(with_peer(self.router, self.peer));
        let connection = self.builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        if let Err(error) = self.watcher.watch(connection.into_owned()).await {
            tracing::debug!(peer = %self.peer, %error, "connection ended");
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone stops too.
    _ = stop.wait_for(|stop| *stop).await;
}

/// The router, told who the peer is.
fn with_peer(
    router: Router,
    peer: SocketAddr,
) -> MapRequest<
    Router,
    impl FnMut(http::Request<hyper::body::Incoming>) -> http::Request<axum::body::Body> + Clone,
> {
    router.map_request(move |request: http::Request<hyper::body::Incoming>| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    })
}
