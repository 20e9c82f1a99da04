//! What `--http` serves: `/healthz`, `/readyz`, `/metrics`. Read-only, no secrets, no configuration.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::exit::Exit;
use crate::failure::Failure;

/// What the endpoints ask.
pub(crate) trait Observed: Send + Sync + 'static {
    /// What keeps it from being ready, one line each; empty when every pipeline has its partitions and commits.
    fn not_ready(&self) -> Vec<String>;

    /// The metrics in Prometheus' text format.
    fn metrics(&self) -> String;
}

/// Binds the address, so that a wrong one is an error before anything runs.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::new(Exit::LocalIo, format!("cannot serve on {address}: {error}"))
            .code(crate::failure::codes::LOCAL_FILE)
            .help("choose another address or port for `--http`")
    })
}

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, observed: Arc<dyn Observed>) -> std::io::Result<()> {
    axum::serve(listener, router(observed)).await
}

fn router(observed: Arc<dyn Observed>) -> Router {
    Router::new().route("/healthz", get(health)).route("/readyz", get(ready)).route("/metrics", get(metrics)).with_state(observed)
}

/// Alive means that this process answers. A store that is away does not make it dead: restarting would not help.
async fn health() -> &'static str {
    "ok\n"
}

async fn ready(State(observed): State<Arc<dyn Observed>>) -> Response {
    let missing = observed.not_ready();
    if missing.is_empty() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n").into_response()
}

async fn metrics(State(observed): State<Arc<dyn Observed>>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], observed.metrics()).into_response()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[derive(Default)]
    struct Fake(AtomicBool);

    impl Observed for Fake {
        fn not_ready(&self) -> Vec<String> {
            if self.0.load(Ordering::SeqCst) { Vec::new() } else { vec!["orders: no partitions yet".to_owned()] }
        }

        fn metrics(&self) -> String {
            "# TYPE kpipe_records counter\nkpipe_records_total 3\n# EOF\n".to_owned()
        }
    }

    fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn health_readiness_and_metrics() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let fake = Arc::new(Fake::default());
        let listener = runtime.block_on(bind("127.0.0.1:0".parse().unwrap())).unwrap();
        let address = listener.local_addr().unwrap();
        let observed: Arc<dyn Observed> = Arc::clone(&fake) as _;
        runtime.spawn(serve(listener, observed));
        assert!(ask(address, "/healthz").starts_with("HTTP/1.1 200"));
        let waiting = ask(address, "/readyz");
        assert!(waiting.starts_with("HTTP/1.1 503") && waiting.ends_with("orders: no partitions yet\n"), "{waiting}");
        fake.0.store(true, Ordering::SeqCst);
        assert!(ask(address, "/readyz").starts_with("HTTP/1.1 200"));
        let metrics = ask(address, "/metrics");
        assert!(metrics.contains("application/openmetrics-text") && metrics.contains("kpipe_records_total 3"), "{metrics}");
        assert!(ask(address, "/secrets").starts_with("HTTP/1.1 404"));
        let taken = runtime.block_on(bind(address)).unwrap_err();
        assert_eq!(taken.exit, Exit::LocalIo);
    }
}
