//! What there is to see over HTTP: a page for people, RabbitMQ's management API for listing, and Prometheus' metrics.
//!
//! Nothing here changes anything, so there is nothing to forge. Every answer is made of a snapshot
//! ([`crate::vhost::snapshot`]).
//!
//! - [`viewer`]: who looks, and what they may see;
//! - [`rates`]: how fast what grows;
//! - [`api`]: RabbitMQ's management API;
//! - [`metrics`]: rabbitmq_prometheus' metrics;
//! - [`page`]: the page, which reads the API.

mod api;
mod json;
mod listing;
mod metrics;
mod page;
mod rates;
mod viewer;

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::broker::{Addresses, Shared};
use rates::Rates;

/// What RabbitMQ calls a node and its cluster.
const NODE: &str = "warren@localhost";
const CLUSTER: &str = "warren";
/// The RabbitMQ whose manners these are: clients decide by it what they ask for.
const RABBITMQ_VERSION: &str = "3.10.8";

/// The HTTP server of a broker.
///
/// # Drop behaviour
///
/// Dropping it ends it: what is being answered is answered, and idle connections are closed.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    sampling: AbortHandle,
    _stop: oneshot::Sender<()>,
}

/// What every handler works on.
#[derive(Debug)]
struct App {
    shared: Arc<Shared>,
    /// Where AMQP is spoken, and HTTP.
    amqp: Addresses,
    http: SocketAddr,
    began: Instant,
    rates: Mutex<Arc<Rates>>,
    /// Who signed in here, and who failed to.
    logins: AtomicU64,
    failed_logins: AtomicU64,
}

impl App {
    fn rates(&self) -> Arc<Rates> {
        Arc::clone(&self.rates.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Server {
    /// Answers on `listener`, until it is dropped.
    pub(crate) fn start(listener: TcpListener, address: SocketAddr, shared: &Arc<Shared>, amqp: Addresses) -> Server {
        let app = Arc::new(App {
            shared: Arc::clone(shared),
            amqp,
            http: address,
            began: Instant::now(),
            rates: Mutex::default(),
            logins: AtomicU64::new(0),
            failed_logins: AtomicU64::new(0),
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = axum::serve(listener, router(&app)).with_graceful_shutdown(async {
            // Its end is all that is ever told.
            let _ = stopped.await;
        });
        tokio::spawn(serve.into_future());
        let sampling = tokio::spawn(rates::sample(app)).abort_handle();
        Server { address, sampling, _stop: stop }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.sampling.abort();
    }
}

fn router(app: &Arc<App>) -> Router {
    Router::new()
        .merge(page::router())
        .merge(metrics::router())
        .nest("/api", api::router())
        .fallback(async || not_found())
        .method_not_allowed_fallback(not_changed)
        .layer(from_fn(with_headers))
        .with_state(Arc::clone(app))
}

/// Headers that every answer has; a handler's own stay.
async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, "accept, accept-encoding, origin"),
    ] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Makes an answer that may be of ten thousand things beside the runtime's threads: AMQP goes on meanwhile.
async fn beside(make: impl FnOnce() -> Response + Send + 'static) -> Response {
    let made = tokio::task::spawn_blocking(make).await;
    made.unwrap_or_else(|_| error(StatusCode::INTERNAL_SERVER_ERROR, "internal_server_error", "the answer failed"))
}

/// An error as RabbitMQ writes it.
fn error(status: StatusCode, error: &str, reason: &str) -> Response {
    let body = serde_json::json!({ "error": error, "reason": reason });
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "Object Not Found", "Not Found")
}

async fn not_changed() -> Response {
    let reason = "this broker can be looked at over HTTP, and is changed over AMQP only";
    error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", reason)
}

/// The process' resident memory, where the system tells it.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
