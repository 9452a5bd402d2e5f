//! `Options::strict`: what a RabbitMQ 4 refuses that permits no deprecated feature.

use lapin::options::*;
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use warren_broker::{Broker, Options};
use warren_rabbitmq::{Flavour, Node, NodeOptions};

use crate::harness::{Target, declare, declare_durable, refusal, soon};

async fn only_shared_transient_queues_are_refused(url: &str) {
    let channel = || async {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
        connection.create_channel().await.unwrap()
    };
    let allowed = channel().await;
    declare_durable(&allowed, "durable", FieldTable::default()).await;
    let exclusive = QueueDeclareOptions { exclusive: true, ..Default::default() };
    allowed.queue_declare("exclusive".into(), exclusive, FieldTable::default()).await.unwrap();
    let shared = QueueDeclareOptions::default();
    let refused = channel().await.queue_declare("shared".into(), shared, FieldTable::default()).await;
    let text = "INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.\nIts use is not permitted per the \
        configuration (overriding the default, which is permitted):\n    \
        \"deprecated_features.permit.transient_nonexcl_queues = false\"\nIts use will not be...";
    let (code, told) = refusal(refused);
    assert_eq!(code, 541);
    assert!(told.starts_with(text.trim_end_matches('.')) && told.len() == 255, "{told}");
}

#[tokio::test]
async fn on_a_strict_broker() {
    let broker = Broker::start(Options { strict: true, ..Options::default() }).await.unwrap();
    soon("the case", only_shared_transient_queues_are_refused(&broker.url())).await;
}

#[tokio::test]
async fn on_a_rabbitmq_that_permits_nothing_deprecated() {
    let Some(target) = Target::rabbitmq().await else { return };
    if target.is_4() {
        let configuration = vec!["deprecated_features.permit.transient_nonexcl_queues = false".to_owned()];
        let options = NodeOptions { flavour: Flavour::Trixie, configuration, ..NodeOptions::default() };
        let node = Node::start(options).await.unwrap();
        soon("the case", only_shared_transient_queues_are_refused(&node.url())).await;
    } else {
        // RabbitMQ 3 has no such setting.
        declare(&target.channel().await, "shared", FieldTable::default()).await;
    }
}
