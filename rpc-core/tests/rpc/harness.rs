//! What the tests share: a broker, methods to call, and patience.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use warren_rpc::{CallOptions, Client, ClientOptions, Effect, Event, Method, ReconnectOptions, ServeOptions};
pub(crate) use warren_testing::{broker, eventually, soon};

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A client with default options.
pub(crate) async fn client(url: &str) -> Client {
    Client::connect(url, ClientOptions::default()).await.expect("the broker answers")
}

/// A client that gives a broker up when it is lost.
pub(crate) async fn client_that_gives_up(url: &str) -> Client {
    let reconnect = ReconnectOptions { attempts_max: 0, ..ReconnectOptions::default() };
    let options = ClientOptions { reconnect, ..ClientOptions::default() };
    Client::connect(url, options).await.expect("the broker answers")
}

/// A channel, with confirms, of a connection that knows nothing of Warren. The connection closes with the channel.
pub(crate) async fn foreign(url: &str) -> lapin::Channel {
    let connection = lapin::Connection::connect(url, lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(Default::default()).await.unwrap();
    channel
}

/// How many messages of a queue are ready to be delivered.
pub(crate) async fn ready(channel: &lapin::Channel, queue: &str) -> u32 {
    let options = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
    channel.queue_declare(queue.into(), options, Default::default()).await.unwrap().message_count()
}

/// The default options but for the deadline.
pub(crate) fn within(deadline: Duration) -> CallOptions {
    CallOptions { deadline, ..CallOptions::default() }
}

/// The default options but for the instance's id.
pub(crate) fn named(instance: &str) -> ServeOptions {
    ServeOptions { instance: Some(instance.to_owned()), ..ServeOptions::default() }
}

/// No state.
pub(crate) fn stateless() -> Arc<()> {
    Arc::new(())
}

/// Adds two numbers.
pub(crate) struct Sum;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SumRequest {
    pub(crate) a: i64,
    pub(crate) b: i64,
}

impl Method for Sum {
    const NAME: &'static str = "test.sum";
    type Request = SumRequest;
    type Reply = i64;
}

/// A number that says which call it is; the reply says whatever the test wants.
pub(crate) struct Work;

impl Method for Work {
    const NAME: &'static str = "test.work";
    const EFFECT: Effect = Effect::Repeatable;
    type Request = u32;
    type Reply = String;
}

/// As [`Work`], but it must not be done twice.
pub(crate) struct Careful;

impl Method for Careful {
    const NAME: &'static str = "test.careful";
    type Request = u32;
    type Reply = String;
}

/// Calls another method.
pub(crate) struct Outer;

impl Method for Outer {
    const NAME: &'static str = "test.outer";
    type Request = u32;
    type Reply = String;
}

/// Nobody serves it.
pub(crate) struct Nowhere;

impl Method for Nowhere {
    const NAME: &'static str = "test.nowhere";
    type Request = u32;
    type Reply = String;
}

/// Takes bytes up to a small limit, and answers as many as it is told.
pub(crate) struct Small;

impl Method for Small {
    const NAME: &'static str = "test.small";
    const BODY_BYTES_MAX: usize = 1024;
    type Request = String;
    type Reply = String;
}

/// Something that happened.
pub(crate) struct Happened;

impl Event for Happened {
    const KEY: &'static str = "test.happened";
    type Body = u32;
}
