//! Queues.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde_json::json;

use super::super::json::{Object, object, put_depth, queue_stats, table};
use super::super::listing::Listing;
use super::super::rates::Rates;
use super::super::viewer::Viewer;
use super::super::{App, NODE, beside};
use super::{listed, one};
use crate::vhost::snapshot::QueueView;

pub(super) async fn queues(viewer: Viewer, State(app): State<Arc<App>>, Query(listing): Query<Listing>) -> Response {
    beside(move || all(&viewer, &app, None).map_or_else(|refusal| refusal, |items| listed(&listing, items))).await
}

pub(super) async fn queues_of_vhost(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Path(vhost): Path<String>,
    Query(listing): Query<Listing>,
) -> Response {
    beside(move || all(&viewer, &app, Some(&vhost)).map_or_else(|refusal| refusal, |items| listed(&listing, items)))
        .await
}

pub(super) async fn queue(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Path((vhost, name)): Path<(String, String)>,
    Query(listing): Query<Listing>,
) -> Response {
    let vhosts = match viewer.vhosts(&app, Some(&vhost)) {
        Ok(vhosts) => vhosts,
        Err(refusal) => return refusal,
    };
    let found = vhosts.into_iter().filter_map(|(_, vhost)| vhost.with(|state| state.queue_view_of(&name)));
    one(&listing, found.map(|queue| describe(&vhost, &queue, &app.rates())).collect())
}

#[expect(clippy::result_large_err, reason = "it is an answer, made once a request")]
fn all(viewer: &Viewer, app: &App, vhost: Option<&str>) -> Result<Vec<Object>, Response> {
    let rates = app.rates();
    let mut items = Vec::new();
    for (name, vhost) in viewer.vhosts(app, vhost)? {
        let mut queues = vhost.with(|state| state.queue_views());
        queues.sort_by(|one, other| one.name.cmp(&other.name));
        items.extend(queues.iter().map(|queue| describe(name, queue, &rates)));
    }
    Ok(items)
}

fn describe(vhost: &str, queue: &QueueView, rates: &Rates) -> Object {
    let mut item = object(json!({
        "name": &*queue.name,
        "vhost": vhost,
        "type": if queue.quorum { "quorum" } else { "classic" },
        "state": "running",
        "node": NODE,
        "durable": queue.durable,
        "auto_delete": queue.auto_delete,
        "exclusive": queue.owner.is_some(),
        "arguments": table(&queue.arguments),
        "consumers": queue.consumers,
        "message_bytes": queue.ready_bytes + queue.unacked_bytes,
        "message_bytes_ready": queue.ready_bytes,
        "message_bytes_unacknowledged": queue.unacked_bytes,
        "policy": null,
        "operator_policy": null,
        "effective_policy_definition": {},
    }));
    if queue.quorum {
        item.append(&mut object(json!({ "leader": NODE, "members": [NODE], "online": [NODE] })));
    } else {
        item.insert("exclusive_consumer_tag".to_owned(), json!(queue.exclusive_consumer.as_deref()));
        item.insert("single_active_consumer_tag".to_owned(), json!(queue.active_consumer.as_deref()));
    }
    let change = rates.queue(vhost, queue.id);
    put_depth(&mut item, queue.depth, &change, |(depth, _)| *depth);
    if !queue.counters.is_zero() {
        let stats = queue_stats(&queue.counters, &change, |(_, counters)| counters);
        item.insert("message_stats".to_owned(), stats.into());
    }
    item
}
