//! The broker as a whole, and its users.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::super::json::{Object, object, put_depth, put_rated, stats};
use super::super::listing::Listing;
use super::super::rates::{self, Change};
use super::super::viewer::Viewer;
use super::super::{App, CLUSTER, NODE, RABBITMQ_VERSION, not_found};
use super::{answer, listed, one};
use crate::Permissions;
use crate::counters::Churn;
use crate::vhost::snapshot::Numbers;

const NOT_ADMINISTRATOR: &str = "Not administrator user";
const NOT_MONITOR: &str = "Not monitor user";

pub(super) async fn whoami(viewer: Viewer) -> Response {
    answer(&json!({ "name": viewer.0.name, "tags": viewer.tags() }))
}

pub(super) async fn cluster_name(_: Viewer) -> Response {
    answer(&json!({ "name": CLUSTER }))
}

pub(super) async fn overview(viewer: Viewer, State(app): State<Arc<App>>, Query(listing): Query<Listing>) -> Response {
    let mut item = object(json!({
        "management_version": RABBITMQ_VERSION,
        "rabbitmq_version": RABBITMQ_VERSION,
        "product_name": "warren-broker",
        "product_version": env!("CARGO_PKG_VERSION"),
        "cluster_name": CLUSTER,
        "rates_mode": "basic",
        "disable_stats": false,
        "enable_queue_totals": false,
        "exchange_types": exchange_types(),
        "statistics_db_event_queue": 0,
    }));
    item.append(&mut totals(&viewer, &app));
    if viewer.0.is_administrator() {
        item.append(&mut object(json!({ "node": NODE, "listeners": listeners(&app), "contexts": [context(&app)] })));
    }
    answer(&listing.choose(item))
}

fn exchange_types() -> Value {
    let describe = |name: &str| {
        let description = format!("AMQP {name} exchange, as per the AMQP specification");
        json!({ "name": name, "description": description, "enabled": true })
    };
    ["direct", "fanout", "headers", "topic"].map(describe).into_iter().collect()
}

fn listeners(app: &App) -> Value {
    let listener = |protocol: &str, address: std::net::SocketAddr| {
        let (ip, port) = (address.ip().to_string(), address.port());
        json!({ "node": NODE, "protocol": protocol, "ip_address": ip, "port": port })
    };
    let tls = app.amqp.tls.map(|address| listener("amqp/ssl", address));
    [listener("amqp", app.amqp.plain)].into_iter().chain(tls).chain([listener("http", app.http)]).collect()
}

fn context(app: &App) -> Value {
    let (ip, port) = (app.http.ip().to_string(), app.http.port().to_string());
    json!({ "node": NODE, "description": "RabbitMQ Management", "path": "/", "ip": ip, "port": port, "ssl_opts": [] })
}

/// What everything that the viewer may see comes to.
fn totals(viewer: &Viewer, app: &App) -> Object {
    let vhosts = viewer.vhosts(app, None).unwrap_or_default();
    let names: Vec<&str> = vhosts.iter().map(|(name, _)| *name).collect();
    let numbers: Vec<Numbers> = vhosts.iter().map(|(_, vhost)| vhost.with(|state| state.numbers())).collect();
    let (depth, counters, churn) = rates::sum(numbers.iter());
    let rates = app.rates();
    let change = rates.vhosts(&names);
    let mut queue_totals = Object::new();
    put_depth(&mut queue_totals, depth, &change, |(depth, ..)| *depth);
    let total = |count: fn(&Numbers) -> usize| numbers.iter().map(count).sum::<usize>();
    let open = |info: &crate::ConnectionInfo| {
        info.vhost.is_some() && info.user.as_ref().is_some_and(|user| viewer.sees_user(user))
    };
    let connections = app.shared.controls().iter().filter(|control| open(&control.info())).count();
    object(json!({
        "message_stats": stats(&counters, &change, |(_, counters, _)| counters),
        "churn_rates": churn_rates(app.shared.connection_churn(), &churn, &rates.connection_churn(), |of| {
            change.per_second(|(_, _, churn)| of(churn))
        }),
        "queue_totals": queue_totals,
        "object_totals": {
            "channels": total(|numbers| numbers.channels.len()),
            "connections": connections,
            "consumers": total(|numbers| numbers.consumers),
            "exchanges": total(|numbers| numbers.exchanges),
            "queues": total(|numbers| numbers.queues.len()),
        },
    }))
}

type ReadChurn = fn(&Churn) -> u64;

fn churn_rates(
    (opened, closed): (u64, u64),
    churn: &Churn,
    connections: &Change<(u64, u64)>,
    rate: impl Fn(ReadChurn) -> f64,
) -> Object {
    let mut object = Object::new();
    put_rated(&mut object, "connection_created", opened, connections.per_second(|(opened, _)| *opened));
    put_rated(&mut object, "connection_closed", closed, connections.per_second(|(_, closed)| *closed));
    let counts: [(&str, ReadChurn); 5] = [
        ("channel_created", |churn| churn.channels_opened),
        ("channel_closed", |churn| churn.channels_closed),
        ("queue_declared", |churn| churn.queues_declared),
        ("queue_created", |churn| churn.queues_created),
        ("queue_deleted", |churn| churn.queues_deleted),
    ];
    for (name, count) in counts {
        put_rated(&mut object, name, count(churn), rate(count));
    }
    object
}

pub(super) async fn nodes(viewer: Viewer, State(app): State<Arc<App>>, Query(listing): Query<Listing>) -> Response {
    match viewer.check_administrator(NOT_MONITOR) {
        Ok(()) => listed(&listing, vec![describe_node(&app)]),
        Err(refusal) => refusal,
    }
}

pub(super) async fn node(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Query(listing): Query<Listing>,
) -> Response {
    match viewer.check_administrator(NOT_MONITOR) {
        Ok(()) if name == NODE => one(&listing, vec![describe_node(&app)]),
        Ok(()) => not_found(),
        Err(refusal) => refusal,
    }
}

/// The node, which is this process: type `ram`, since nothing is on a disk.
fn describe_node(app: &App) -> Object {
    let mut item = object(json!({
        "name": NODE,
        "type": "ram",
        "running": true,
        "os_pid": std::process::id().to_string(),
        "uptime": u64::try_from(app.began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "processors": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        "rates_mode": "basic",
        "exchange_types": exchange_types(),
        "partitions": [],
        "contexts": [],
        "mem_alarm": app.shared.is_blocked(),
        "disk_free_alarm": false,
        "sockets_used": app.shared.controls().len(),
    }));
    if let Some(bytes) = super::super::resident_bytes() {
        item.insert("mem_used".to_owned(), bytes.into());
    }
    item
}

pub(super) async fn users(viewer: Viewer, State(app): State<Arc<App>>, Query(listing): Query<Listing>) -> Response {
    if let Err(refusal) = viewer.check_administrator(NOT_ADMINISTRATOR) {
        return refusal;
    }
    let describe = |user: &Arc<crate::auth::User>| {
        object(json!({ "name": user.name, "tags": Viewer(Arc::clone(user)).tags(), "limits": {} }))
    };
    listed(&listing, app.shared.users.iter().map(describe).collect())
}

pub(super) async fn permissions(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Query(listing): Query<Listing>,
) -> Response {
    if let Err(refusal) = viewer.check_administrator(NOT_ADMINISTRATOR) {
        return refusal;
    }
    let everywhere = || app.shared.vhosts().into_iter().map(|(name, _)| (name.to_owned(), Permissions::all()));
    let mut items = Vec::new();
    for user in &app.shared.options.users {
        let permissions = user.permissions.clone().unwrap_or_else(|| everywhere().collect());
        items.extend(permissions.into_iter().map(|(vhost, Permissions { configure, write, read })| {
            object(json!({ "user": user.name, "vhost": vhost, "configure": configure, "write": write, "read": read }))
        }));
    }
    listed(&listing, items)
}
