//! Connections, channels and consumers.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::super::json::{Object, object, put_rated, since_epoch_ms, stats, table};
use super::super::listing::Listing;
use super::super::rates::Rates;
use super::super::viewer::Viewer;
use super::super::{App, NODE};
use super::listed;
use crate::connection::ConnectionId;
use crate::connection::control::Control;
use crate::vhost::snapshot::{Activity, ChannelView, ConsumerView};

type Controls = FxHashMap<ConnectionId, Arc<Control>>;

pub(super) async fn connections(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Query(listing): Query<Listing>,
) -> Response {
    let rates = app.rates();
    let vhosts = app.shared.vhosts();
    let channels: FxHashMap<ConnectionId, usize> =
        vhosts.into_iter().flat_map(|(_, vhost)| vhost.with(|state| state.channel_counts())).collect();
    let mut controls = app.shared.controls();
    controls.sort_by_key(|control| control.id());
    let count = |control: &Control| channels.get(&control.id()).copied().unwrap_or(0);
    let items = controls.iter().filter_map(|control| connection(&app, &viewer, control, count(control), &rates));
    listed(&listing, items.collect())
}

/// What one connection is: nothing before it has opened a vhost, as in RabbitMQ.
fn connection(app: &App, viewer: &Viewer, control: &Control, channels: usize, rates: &Rates) -> Option<Object> {
    let (info, terms) = (control.info(), control.terms());
    let (user, vhost) = (info.user?, info.vhost?);
    if !viewer.sees_user(&user) || !viewer.0.may_enter(&vhost) {
        return None;
    }
    let ((received_bytes, reads), (sent_bytes, writes)) = (control.received.get(), control.sent.get());
    let local = control.local?;
    let mut item = object(json!({
        "name": name_of(control),
        "user_provided_name": info.name,
        "user": user,
        "user_who_performed_action": user,
        "vhost": vhost,
        "state": state_of(app, control),
        "type": "network",
        "node": NODE,
        "protocol": "AMQP 0-9-1",
        "auth_mechanism": terms.mechanism,
        "ssl": info.tls,
        "host": local.ip().to_string(),
        "port": local.port(),
        "peer_host": info.peer.map(|peer| peer.ip().to_string()),
        "peer_port": info.peer.map(|peer| peer.port()),
        "channels": channels,
        "channel_max": terms.channel_max,
        "frame_max": terms.frame_max,
        "timeout": terms.heartbeat_s,
        "connected_at": since_epoch_ms(control.connected_at),
        "client_properties": table(&terms.client_properties),
        "recv_cnt": reads,
        "send_cnt": writes,
        "send_pend": control.outbox.unwritten_bytes(),
    }));
    if item["user_provided_name"].is_null() {
        item.remove("user_provided_name");
    }
    let change = rates.connection(control.id());
    put_rated(&mut item, "recv_oct", received_bytes, change.per_second(|(received, _)| *received));
    put_rated(&mut item, "send_oct", sent_bytes, change.per_second(|(_, sent)| *sent));
    Some(item)
}

/// RabbitMQ's states, and `frozen`, which is a fault of ours.
fn state_of(app: &App, control: &Control) -> &'static str {
    if control.is_frozen() {
        "frozen"
    } else if control.is_parked() {
        "blocked"
    } else if app.shared.is_blocked() {
        "blocking"
    } else {
        "running"
    }
}

/// `127.0.0.1:52042 -> 127.0.0.1:5672`, as RabbitMQ names a connection.
fn name_of(control: &Control) -> String {
    let end = |address: Option<std::net::SocketAddr>| address.map_or("?".to_owned(), |address| address.to_string());
    format!("{} -> {}", end(control.info().peer), end(control.local))
}

fn controls(app: &App) -> Controls {
    app.shared.controls().into_iter().map(|control| (control.id(), control)).collect()
}

pub(super) async fn channels(viewer: Viewer, State(app): State<Arc<App>>, Query(listing): Query<Listing>) -> Response {
    let vhosts = match viewer.vhosts(&app, None) {
        Ok(vhosts) => vhosts,
        Err(refusal) => return refusal,
    };
    let (rates, controls) = (app.rates(), controls(&app));
    let mut items = Vec::new();
    for (name, vhost) in vhosts {
        let mut channels = vhost.with(|state| state.channel_views());
        channels.retain(|channel| viewer.sees_user(&channel.user));
        channels.sort_by_key(|channel| (channel.connection, channel.number));
        items.extend(channels.iter().filter_map(|it| channel(name, it, controls.get(&it.connection)?, &rates)));
    }
    listed(&listing, items)
}

fn channel(vhost: &str, channel: &ChannelView, control: &Control, rates: &Rates) -> Option<Object> {
    let (connection, peer) = (name_of(control), control.info().peer?);
    let mut item = object(json!({
        "name": format!("{connection} ({})", channel.number),
        "number": channel.number,
        "connection_details": { "name": connection, "peer_host": peer.ip().to_string(), "peer_port": peer.port() },
        "user": channel.user,
        "user_who_performed_action": channel.user,
        "vhost": vhost,
        "node": NODE,
        "state": "running",
        "confirm": channel.confirms,
        "transactional": false,
        "consumer_count": channel.consumers,
        "messages_unacknowledged": channel.unacked,
        "messages_unconfirmed": 0,
        "messages_uncommitted": 0,
        "acks_uncommitted": 0,
        "prefetch_count": channel.prefetch,
        "global_prefetch_count": channel.prefetch_global,
    }));
    if !channel.counters.is_zero() {
        let change = rates.channel(vhost, channel.id);
        item.insert("message_stats".to_owned(), stats(&channel.counters, &change, |counters| counters).into());
    }
    Some(item)
}

pub(super) async fn consumers(viewer: Viewer, State(app): State<Arc<App>>, Query(listing): Query<Listing>) -> Response {
    all_consumers(&viewer, &app, None).map_or_else(|refusal| refusal, |items| listed(&listing, items))
}

pub(super) async fn consumers_of_vhost(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Path(vhost): Path<String>,
    Query(listing): Query<Listing>,
) -> Response {
    all_consumers(&viewer, &app, Some(&vhost)).map_or_else(|refusal| refusal, |items| listed(&listing, items))
}

#[expect(clippy::result_large_err, reason = "it is an answer, made once a request")]
fn all_consumers(viewer: &Viewer, app: &App, vhost: Option<&str>) -> Result<Vec<Object>, Response> {
    let controls = controls(app);
    let mut items = Vec::new();
    for (name, vhost) in viewer.vhosts(app, vhost)? {
        let mut consumers = vhost.with(|state| state.consumer_views());
        consumers.retain(|consumer| viewer.sees_user(&consumer.user));
        consumers.sort_by(|one, other| (&one.queue, &one.tag).cmp(&(&other.queue, &other.tag)));
        items.extend(consumers.iter().filter_map(|it| consumer(name, it, controls.get(&it.connection)?)));
    }
    Ok(items)
}

fn consumer(vhost: &str, consumer: &ConsumerView, control: &Control) -> Option<Object> {
    let (connection, peer) = (name_of(control), control.info().peer?);
    let item: Value = json!({
        "consumer_tag": &*consumer.tag,
        "queue": { "name": &*consumer.queue, "vhost": vhost },
        "channel_details": {
            "connection_name": connection,
            "name": format!("{connection} ({})", consumer.channel),
            "node": NODE,
            "number": consumer.channel,
            "peer_host": peer.ip().to_string(),
            "peer_port": peer.port(),
            "user": consumer.user,
        },
        "ack_required": consumer.ack_required,
        "prefetch_count": consumer.prefetch,
        "exclusive": consumer.exclusive,
        "active": consumer.activity != Activity::Waiting,
        "activity_status": match consumer.activity {
            Activity::Up => "up",
            Activity::SingleActive => "single_active",
            Activity::Waiting => "waiting",
        },
        "arguments": table(&consumer.arguments),
    });
    Some(object(item))
}
