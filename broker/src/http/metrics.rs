//! Prometheus' metrics, by rabbitmq_prometheus' names: `/metrics` in sums, `/metrics/per-object` for every queue,
//! channel and connection.
//!
//! As in that plugin nobody has to sign in: a scraper reads it, and it says no more than names and numbers.

mod tables;
mod text;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::{App, CLUSTER, NODE, RABBITMQ_VERSION, beside};
use crate::connection::control::Control;
use crate::counters::{Count, Counters};
use crate::vhost::snapshot::{ChannelView, Numbers, QueueView};
use tables::{CHANNEL_COUNTS, GLOBAL_PUBLISHER_COUNTS, GLOBAL_QUEUE_COUNTS, Row};
use text::{Family, Text};

/// The text format of Prometheus.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/metrics", get(sums)).route("/metrics/per-object", get(per_object))
}

async fn sums(State(app): State<Arc<App>>) -> Response {
    beside(move || respond(&app, false)).await
}

async fn per_object(State(app): State<Arc<App>>) -> Response {
    beside(move || respond(&app, true)).await
}

fn respond(app: &App, per_object: bool) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], Scrape::new(app).write(per_object)).into_response()
}

/// Everything that is written, at one moment.
struct Scrape<'a> {
    app: &'a App,
    numbers: Vec<Numbers>,
    queues: Vec<(&'a str, QueueView)>,
    channels: Vec<ChannelView>,
    controls: Vec<Arc<Control>>,
}

impl<'a> Scrape<'a> {
    fn new(app: &'a App) -> Scrape<'a> {
        let vhosts = app.shared.vhosts();
        let queues = vhosts.iter().flat_map(|(name, vhost)| {
            let mut queues = vhost.with(|state| state.queue_views());
            queues.sort_by(|one, other| one.name.cmp(&other.name));
            queues.into_iter().map(|queue| (*name, queue))
        });
        let mut controls = app.shared.controls();
        controls.sort_by_key(|control| control.id());
        Scrape {
            app,
            numbers: vhosts.iter().map(|(_, vhost)| vhost.with(|state| state.numbers())).collect(),
            queues: queues.collect(),
            channels: vhosts.iter().flat_map(|(_, vhost)| vhost.with(|state| state.channel_views())).collect(),
            controls,
        }
    }

    fn write(&self, per_object: bool) -> String {
        let mut text = Text::default();
        self.write_node(&mut text);
        self.write_churn(&mut text);
        self.write_queues(&mut text, per_object);
        self.write_channels(&mut text, per_object);
        self.write_connections(&mut text, per_object);
        self.write_global(&mut text);
        text.into_string()
    }

    fn write_node(&self, text: &mut Text) {
        let version = [
            ("rabbitmq_version", RABBITMQ_VERSION),
            ("product_name", "warren-broker"),
            ("product_version", env!("CARGO_PKG_VERSION")),
        ];
        let mut info =
            text.family(Family::untyped("rabbitmq_build_info", "Version of the broker, and of RabbitMQ's manners"));
        info.sample(&version, 1.0);
        let identity = [("rabbitmq_node", NODE), ("rabbitmq_cluster", CLUSTER)];
        let mut info = text.family(Family::untyped("rabbitmq_identity_info", "RabbitMQ node & cluster identity info"));
        info.sample(&identity, 1.0);
        if let Some(bytes) = super::resident_bytes() {
            let help = "Memory used in bytes";
            text.family(Family::gauge("rabbitmq_process_resident_memory_bytes", help)).sample(&[], bytes as f64);
        }
        let help = "Node uptime";
        let uptime_s = self.app.began.elapsed().as_secs_f64();
        text.family(Family::gauge("rabbitmq_erlang_uptime_seconds", help)).sample(&[], uptime_s);
        let (good, failed) = (self.app.logins.load(Ordering::Relaxed), self.app.failed_logins.load(Ordering::Relaxed));
        for (name, help, value) in [
            ("rabbitmq_auth_attempts_total", "Total number of authorization attempts", good + failed),
            ("rabbitmq_auth_attempts_succeeded_total", "Total number of successful authentication attempts", good),
            ("rabbitmq_auth_attempts_failed_total", "Total number of failed authentication attempts", failed),
        ] {
            text.family(Family::counter(name, help)).sample(&[("protocol", "http")], value as f64);
        }
    }

    fn write_churn(&self, text: &mut Text) {
        let (opened, closed) = self.app.shared.connection_churn();
        let churn = super::rates::sum(self.numbers.iter()).2;
        let consumers: usize = self.numbers.iter().map(|numbers| numbers.consumers).sum();
        for (name, help, value) in [
            ("rabbitmq_connections_opened_total", "Total number of connections opened", opened),
            ("rabbitmq_connections_closed_total", "Total number of connections closed or terminated", closed),
            ("rabbitmq_channels_opened_total", "Total number of channels opened", churn.channels_opened),
            ("rabbitmq_channels_closed_total", "Total number of channels closed", churn.channels_closed),
            ("rabbitmq_queues_declared_total", "Total number of queues declared", churn.queues_declared),
            ("rabbitmq_queues_created_total", "Total number of queues created", churn.queues_created),
            ("rabbitmq_queues_deleted_total", "Total number of queues deleted", churn.queues_deleted),
        ] {
            text.family(Family::counter(name, help)).sample(&[], value as f64);
        }
        for (name, help, value) in [
            ("rabbitmq_connections", "Connections currently open", self.controls.len()),
            ("rabbitmq_channels", "Channels currently open", self.channels.len()),
            ("rabbitmq_consumers", "Consumers currently connected", consumers),
            ("rabbitmq_queues", "Queues available", self.queues.len()),
        ] {
            text.family(Family::gauge(name, help)).sample(&[], value as f64);
        }
    }

    fn write_queues(&self, text: &mut Text, per_object: bool) {
        let gauges: [Row<QueueView>; 7] = [
            ("messages_ready", "Messages ready to be delivered to consumers", |queue| queue.depth.ready),
            ("messages_unacked", "Messages delivered to consumers but not yet acknowledged", |queue| {
                queue.depth.unacked
            }),
            ("messages", "Sum of ready and unacknowledged messages - total queue depth", |queue| queue.depth.total()),
            ("consumers", "Consumers on a queue", |queue| queue.consumers as u64),
            ("messages_ready_bytes", "Size in bytes of ready messages", |queue| queue.ready_bytes as u64),
            ("messages_unacked_bytes", "Size in bytes of all unacknowledged messages", |queue| {
                queue.unacked_bytes as u64
            }),
            ("messages_bytes", "Size in bytes of ready and unacknowledged messages", |queue| {
                (queue.ready_bytes + queue.unacked_bytes) as u64
            }),
        ];
        for (name, help, value) in gauges {
            let mut family = text.family(Family::gauge(&format!("rabbitmq_queue_{name}"), help));
            if per_object {
                for (vhost, queue) in &self.queues {
                    family.sample(&[("vhost", vhost), ("queue", &queue.name)], value(queue) as f64);
                }
            } else {
                family.sample(&[], self.queues.iter().map(|(_, queue)| value(queue)).sum::<u64>() as f64);
            }
        }
        let mut family = text.family(Family::counter(
            "rabbitmq_queue_messages_published_total",
            "Total number of messages published to queues",
        ));
        if per_object {
            for (vhost, queue) in &self.queues {
                let labels = [("queue_vhost", *vhost), ("queue", &*queue.name)];
                family.sample(&labels, queue.counters.get(Count::Publish) as f64);
            }
        } else {
            let total: u64 = self.queues.iter().map(|(_, queue)| queue.counters.get(Count::Publish)).sum();
            family.sample(&[], total as f64);
        }
    }

    fn write_channels(&self, text: &mut Text, per_object: bool) {
        let gauges: [Row<ChannelView>; 4] = [
            ("rabbitmq_channel_consumers", "Consumers on a channel", |channel| channel.consumers as u64),
            ("rabbitmq_channel_messages_unacked", "Delivered but not yet acknowledged messages", |channel| {
                channel.unacked as u64
            }),
            ("rabbitmq_consumer_prefetch", "Limit of unacknowledged messages for each consumer", |channel| {
                channel.prefetch.into()
            }),
            (
                "rabbitmq_channel_prefetch",
                "Total limit of unacknowledged messages for all consumers on a channel",
                |channel| channel.prefetch_global.into(),
            ),
        ];
        for (name, help, value) in gauges {
            self.write_of_channels(text.family(Family::gauge(name, help)), per_object, value);
        }
        for (name, help, count) in CHANNEL_COUNTS {
            let family = text.family(Family::counter(&format!("rabbitmq_channel_{name}_total"), help));
            self.write_of_channels(family, per_object, |channel| channel.counters.get(count));
        }
    }

    fn write_of_channels(&self, mut family: text::Samples<'_>, per_object: bool, value: impl Fn(&ChannelView) -> u64) {
        if !per_object {
            return family.sample(&[], self.channels.iter().map(value).sum::<u64>() as f64);
        }
        for channel in &self.channels {
            let label = format!("{}.{}", channel.connection.0, channel.number);
            family.sample(&[("channel", &label)], value(channel) as f64);
        }
    }

    fn write_connections(&self, text: &mut Text, per_object: bool) {
        let counts: [Row<Control>; 4] = [
            ("incoming_bytes", "Total number of bytes received on a connection", |it| it.received.get().0),
            ("outgoing_bytes", "Total number of bytes sent on a connection", |it| it.sent.get().0),
            ("incoming_packets", "Total number of packets received on a connection", |it| it.received.get().1),
            ("outgoing_packets", "Total number of packets sent on a connection", |it| it.sent.get().1),
        ];
        for (name, help, value) in counts {
            let mut family = text.family(Family::counter(&format!("rabbitmq_connection_{name}_total"), help));
            if per_object {
                for control in &self.controls {
                    family.sample(&[("channel", &control.id().0.to_string())], value(control) as f64);
                }
            } else {
                family.sample(&[], self.controls.iter().map(|control| value(control)).sum::<u64>() as f64);
            }
        }
    }

    /// Since the broker began, whatever is gone meanwhile.
    fn write_global(&self, text: &mut Text) {
        let (mut classic, mut quorum) = (Counters::default(), Counters::default());
        for numbers in &self.numbers {
            classic += &numbers.counters.classic;
            quorum += &numbers.counters.quorum;
        }
        let types = [("rabbit_classic_queue", classic), ("rabbit_quorum_queue", quorum)];
        for (name, help, value) in GLOBAL_QUEUE_COUNTS {
            let mut family = text.family(Family::counter(&format!("rabbitmq_global_messages_{name}_total"), help));
            for (queue_type, counters) in &types {
                family.sample(&[("protocol", "amqp091"), ("queue_type", queue_type)], value(counters) as f64);
            }
        }
        for (name, help, value) in GLOBAL_PUBLISHER_COUNTS {
            let mut family = text.family(Family::counter(&format!("rabbitmq_global_messages_{name}_total"), help));
            family.sample(&[("protocol", "amqp091")], value(&classic) as f64);
        }
    }
}
