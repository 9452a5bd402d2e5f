//! The part of RabbitMQ's management API that lists: the same paths, keys and types, where there is something to say.
//!
//! What RabbitMQ says of its own inside (Erlang's memory, disks, replicas) is left out and not made up.

mod clients;
mod overview;
mod queues;
mod topology;

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::Value;

use super::json::Object;
use super::listing::Listing;
use super::viewer::Viewer;
use super::{App, not_found};

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/overview", get(overview::overview))
        .route("/nodes", get(overview::nodes))
        .route("/nodes/{name}", get(overview::node))
        .route("/cluster-name", get(overview::cluster_name))
        .route("/whoami", get(overview::whoami))
        .route("/users", get(overview::users))
        .route("/permissions", get(overview::permissions))
        .route("/vhosts", get(topology::vhosts))
        .route("/vhosts/{vhost}", get(topology::vhost))
        .route("/queues", get(queues::queues))
        .route("/queues/{vhost}", get(queues::queues_of_vhost))
        .route("/queues/{vhost}/{name}", get(queues::queue))
        .route("/exchanges", get(topology::exchanges))
        .route("/exchanges/{vhost}", get(topology::exchanges_of_vhost))
        .route("/bindings", get(topology::bindings))
        .route("/bindings/{vhost}", get(topology::bindings_of_vhost))
        .route("/connections", get(clients::connections))
        .route("/channels", get(clients::channels))
        .route("/consumers", get(clients::consumers))
        .route("/consumers/{vhost}", get(clients::consumers_of_vhost))
        .route("/policies", get(none))
        .route("/operator-policies", get(none))
        .route("/parameters", get(none))
        .route("/vhost-limits", get(none))
}

/// There are none of those here.
async fn none(_: Viewer) -> Response {
    answer(&Value::Array(Vec::new()))
}

fn answer(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// The list as it was asked for, or why it cannot be.
fn listed(listing: &Listing, items: Vec<Object>) -> Response {
    listing.apply(items).map_or_else(|refusal| refusal, |list| answer(&list))
}

/// The first of the items, which is the one that was asked for.
fn one(listing: &Listing, items: Vec<Object>) -> Response {
    items.into_iter().next().map_or_else(not_found, |item| answer(&listing.choose(item)))
}
