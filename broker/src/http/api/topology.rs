//! Exchanges, bindings and vhosts.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde_json::json;

use super::super::json::{Object, object, put_depth, stats, table};
use super::super::listing::Listing;
use super::super::rates;
use super::super::viewer::Viewer;
use super::super::{App, NODE, beside};
use super::{listed, one};
use crate::vhost::Vhost;
use crate::vhost::snapshot::{BindingView, ExchangeView};

pub(super) async fn exchanges(viewer: Viewer, State(app): State<Arc<App>>, Query(listing): Query<Listing>) -> Response {
    collect(&viewer, &app, None, all_exchanges).map_or_else(|refusal| refusal, |items| listed(&listing, items))
}

pub(super) async fn exchanges_of_vhost(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Path(vhost): Path<String>,
    Query(listing): Query<Listing>,
) -> Response {
    let items = collect(&viewer, &app, Some(&vhost), all_exchanges);
    items.map_or_else(|refusal| refusal, |items| listed(&listing, items))
}

pub(super) async fn bindings(viewer: Viewer, State(app): State<Arc<App>>, Query(listing): Query<Listing>) -> Response {
    beside(move || {
        let items = collect(&viewer, &app, None, all_bindings);
        items.map_or_else(|refusal| refusal, |items| listed(&listing, items))
    })
    .await
}

pub(super) async fn bindings_of_vhost(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Path(vhost): Path<String>,
    Query(listing): Query<Listing>,
) -> Response {
    beside(move || {
        let items = collect(&viewer, &app, Some(&vhost), all_bindings);
        items.map_or_else(|refusal| refusal, |items| listed(&listing, items))
    })
    .await
}

pub(super) async fn vhosts(viewer: Viewer, State(app): State<Arc<App>>, Query(listing): Query<Listing>) -> Response {
    let list = |name: &str, vhost: &Vhost| vec![describe_vhost(&app, name, vhost)];
    collect(&viewer, &app, None, list).map_or_else(|refusal| refusal, |items| listed(&listing, items))
}

pub(super) async fn vhost(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Path(vhost): Path<String>,
    Query(listing): Query<Listing>,
) -> Response {
    let list = |name: &str, vhost: &Vhost| vec![describe_vhost(&app, name, vhost)];
    collect(&viewer, &app, Some(&vhost), list).map_or_else(|refusal| refusal, |items| one(&listing, items))
}

/// What `list` says of each vhost that the viewer may enter.
#[expect(clippy::result_large_err, reason = "it is an answer, made once a request")]
fn collect(
    viewer: &Viewer,
    app: &App,
    asked: Option<&str>,
    list: impl Fn(&str, &Vhost) -> Vec<Object>,
) -> Result<Vec<Object>, Response> {
    Ok(viewer.vhosts(app, asked)?.into_iter().flat_map(|(name, vhost)| list(name, vhost)).collect())
}

fn all_exchanges(name: &str, vhost: &Vhost) -> Vec<Object> {
    let mut exchanges = vhost.with(|state| state.exchange_views());
    exchanges.sort_by(|one, other| one.name.cmp(&other.name));
    exchanges.iter().map(|exchange| describe_exchange(name, exchange)).collect()
}

fn describe_exchange(vhost: &str, exchange: &ExchangeView) -> Object {
    object(json!({
        "name": &*exchange.name,
        "vhost": vhost,
        "type": exchange.kind,
        "durable": exchange.durable,
        "auto_delete": exchange.auto_delete,
        "internal": exchange.internal,
        "arguments": table(&exchange.arguments),
    }))
}

fn all_bindings(name: &str, vhost: &Vhost) -> Vec<Object> {
    let mut bindings = vhost.with(|state| state.binding_views());
    let order = |it: &BindingView| (Arc::clone(&it.source), it.to_queue, Arc::clone(&it.destination));
    bindings.sort_by_cached_key(order);
    bindings.iter().map(|binding| describe_binding(name, binding)).collect()
}

fn describe_binding(vhost: &str, binding: &BindingView) -> Object {
    object(json!({
        "source": &*binding.source,
        "vhost": vhost,
        "destination": &*binding.destination,
        "destination_type": if binding.to_queue { "queue" } else { "exchange" },
        "routing_key": binding.routing_key,
        "arguments": table(&binding.arguments),
        "properties_key": properties_key(&binding.routing_key, &table(&binding.arguments).to_string()),
    }))
}

/// What tells the bindings between two ends apart: the key, and a hash of the arguments if there are any.
fn properties_key(routing_key: &str, arguments: &str) -> String {
    let keep = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let escape = |byte: u8| if keep(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let key: String = routing_key.bytes().map(escape).collect();
    match (key.as_str(), arguments) {
        ("", "{}") => "~".to_owned(),
        (_, "{}") => key,
        _ => {
            let mut hasher = DefaultHasher::new();
            arguments.hash(&mut hasher);
            format!("{key}~{:016x}", hasher.finish())
        }
    }
}

fn describe_vhost(app: &App, name: &str, vhost: &Vhost) -> Object {
    let numbers = vhost.with(|state| state.numbers());
    let (depth, counters, _) = rates::sum(std::iter::once(&numbers));
    let description = if name == "/" { "Default virtual host" } else { "" };
    let mut item = object(json!({
        "name": name,
        "description": description,
        "tags": [],
        "metadata": { "description": description, "tags": [] },
        "default_queue_type": "undefined",
        "tracing": false,
        "cluster_state": { NODE: "running" },
    }));
    let change = app.rates().vhosts(&[name]);
    put_depth(&mut item, depth, &change, |(depth, ..)| *depth);
    if !counters.is_zero() {
        item.insert("message_stats".to_owned(), stats(&counters, &change, |(_, counters, _)| counters).into());
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_without_arguments_is_known_by_its_key() {
        assert_eq!(properties_key("a.#", "{}"), "a.%23");
        assert_eq!(properties_key("", "{}"), "~");
        assert_ne!(properties_key("a", r#"{"x":1}"#), properties_key("a", r#"{"x":2}"#));
    }
}
