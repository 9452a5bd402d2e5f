//! The page: one file, which reads the API every two seconds.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use super::App;
use super::viewer::Viewer;
use crate::names;

const PAGE: &str = include_str!("page.html");

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/", get(page))
}

/// The page, for who signed in: the browser sends the same name and password to the API then.
async fn page(_: Viewer) -> Response {
    // Nothing runs on the page but what carries this answer's own mark.
    let nonce = names::generated("");
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(PAGE.replace("NONCE", &nonce))).into_response()
}
