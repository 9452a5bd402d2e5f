//! A broker for each test: the embedded one, which starts in a millisecond, or a real RabbitMQ, with the same code; and
//! patience with what it does.
//!
//! ```no_run
//! # async fn a_test() {
//! let Some(broker) = warren_testing::broker("a test").await else { return };
//! println!("{}", broker.url);
//! # }
//! ```
//!
//! Which one the variable `WARREN_RABBITMQ` says: without it the embedded one; with `3` or `4` that RabbitMQ, of which
//! all tests of a program share a node and each has a vhost of its own. What a test does to its broker
//! ([`TestBroker::kill`], ...) is a fault from code on the embedded broker, and the real thing on RabbitMQ.
//!
//! # Cancel safety
//!
//! A future of this crate that is dropped in the middle leaves no broker of the test's own behind; a fault may have
//! happened by then, or not.

mod faults;
mod patience;

use std::time::Duration;

use warren_broker::{Broker, Options};
use warren_rabbitmq::{Node, NodeOptions, StartError};

pub use self::patience::{PATIENCE, eventually, soon};

/// A broker, or a vhost of one, that only this test uses.
///
/// # Drop behaviour
///
/// Dropping it ends the embedded broker, and a node of the test's own. A shared node ends with the program.
#[derive(Debug)]
pub struct TestBroker {
    /// Where to connect.
    pub url: String,
    /// The vhost's name.
    vhost: String,
    /// The embedded broker, if it is one.
    embedded: Option<Broker>,
    node: Option<TestNode>,
}

#[derive(Debug)]
enum TestNode {
    Shared(&'static Node),
    Own(Box<Node>),
}

/// What a broker of a test's own is told ([`own_broker`]).
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnOptions {
    /// The port on 127.0.0.1. Default: a free one.
    pub port: Option<u16>,
    /// The largest message body, in bytes. Default: the broker's own.
    pub body_bytes_max: Option<u32>,
    /// How long a delivery may go without an ack on RabbitMQ, which looks twice a second then; the embedded broker
    /// waits for ever. Default: RabbitMQ's, 30 min.
    pub consumer_timeout: Option<Duration>,
}

/// The broker of a test, which `test` names for people who read a log. `None` where a RabbitMQ was asked for and is not
/// installed: the test is then reported as skipped, and returns.
///
/// # Panics
///
/// If the broker does not start.
pub async fn broker(test: &str) -> Option<TestBroker> {
    match warren_rabbitmq::wanted_flavour() {
        None => Some(TestBroker::embedded(Options::default()).await),
        Some(_) => TestBroker::rabbitmq(test).await,
    }
}

/// A broker that shares nothing with those of other tests, not even on RabbitMQ: for tests that stop it, or need it
/// otherwise. As [`broker`] in all else.
///
/// # Panics
///
/// If the broker does not start.
pub async fn own_broker(options: OwnOptions) -> Option<TestBroker> {
    let Some(flavour) = warren_rabbitmq::wanted_flavour() else {
        let mut embedded = Options::default();
        embedded.listen.set_port(options.port.unwrap_or_default());
        embedded.body_bytes_max = options.body_bytes_max.map_or(embedded.body_bytes_max, u64::from);
        return Some(TestBroker::embedded(embedded).await);
    };
    let mut configuration = Vec::new();
    configuration.extend(options.body_bytes_max.map(|bytes| format!("max_message_size = {bytes}")));
    configuration.extend(options.consumer_timeout.map(|timeout| format!("consumer_timeout = {}", timeout.as_millis())));
    let node = NodeOptions { flavour, port: options.port, configuration, ..NodeOptions::default() };
    match Node::start(node).await {
        Ok(node) => {
            if options.consumer_timeout.is_some() {
                // How often it looks; no line of the configuration says it.
                let expression = "application:set_env(rabbit, channel_tick_interval, 500).";
                node.ctl(&["eval", expression]).await.expect("the node evaluates");
            }
            let (url, vhost) = (node.url(), "/".to_owned());
            Some(TestBroker { url, vhost, embedded: None, node: Some(TestNode::Own(Box::new(node))) })
        }
        Err(missing @ StartError::NotInstalled { .. }) => {
            warren_debian::skip_test(&missing.to_string());
            None
        }
        Err(error) => panic!("the test's RabbitMQ node does not start: {error}"),
    }
}

impl TestBroker {
    async fn embedded(options: Options) -> TestBroker {
        let broker = Broker::start(options).await.expect("the embedded broker starts");
        TestBroker { url: broker.url(), vhost: "/".to_owned(), embedded: Some(broker), node: None }
    }

    /// A vhost of the node that the program's tests share. `None` as [`broker`].
    async fn rabbitmq(test: &str) -> Option<TestBroker> {
        let node = warren_rabbitmq::testing::node_or_skip().await?;
        let url = node.vhost(test).await.expect("a vhost can be made");
        let vhost = url.rsplit('/').next().unwrap_or_default().to_owned();
        Some(TestBroker { url, vhost, embedded: None, node: Some(TestNode::Shared(node)) })
    }
}
