//! What tests of every crate share.

use crate::{Node, StartError, shared};

/// The node that a program's tests share ([`shared`]), or `None` where RabbitMQ is not installed: the test is then
/// reported as skipped, and returns.
///
/// ```no_run
/// # async fn a_test() {
/// let Some(node) = warren_rabbitmq::testing::node_or_skip().await else { return };
/// let url = node.vhost("a test").await.expect("a vhost can be made");
/// # }
/// ```
///
/// # Panics
///
/// If RabbitMQ is installed and does not start.
pub async fn node_or_skip() -> Option<&'static Node> {
    match shared().await {
        Ok(node) => Some(node),
        Err(missing @ StartError::NotInstalled { .. }) => {
            warren_debian::skip_test(&missing.to_string());
            None
        }
        Err(error) => panic!("the shared RabbitMQ node does not start: {error}"),
    }
}

/// Reports the calling test as skipped, and says `true`, where RabbitMQ is not installed: for tests that start a node
/// of their own.
#[must_use]
pub fn skip_without_rabbitmq() -> bool {
    let missing = crate::missing_packages();
    if !missing.is_empty() {
        warren_debian::skip_test(&format!("{} is not installed", missing.join(" ")));
    }
    !missing.is_empty()
}
