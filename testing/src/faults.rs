//! What a test does to its broker, and asks it.

use std::time::Duration;

use warren_broker::{Broker, Survives, Tampering};
use warren_rabbitmq::Node;

use crate::{TestBroker, TestNode};

/// A kind of broker.
enum Kind<'a> {
    Embedded(&'a Broker),
    RabbitMq(&'a Node),
}

impl TestBroker {
    fn kind(&self) -> Kind<'_> {
        match (&self.embedded, &self.node) {
            (Some(broker), _) => Kind::Embedded(broker),
            (None, Some(TestNode::Shared(node))) => Kind::RabbitMq(node),
            (None, Some(TestNode::Own(node))) => Kind::RabbitMq(node),
            (None, None) => panic!("the test's broker was killed"),
        }
    }

    /// The node, for what concerns all of it.
    fn own_node(&self) -> &Node {
        match &self.node {
            Some(TestNode::Own(node)) => node,
            _ => panic!("only an own broker, for others share this one"),
        }
    }

    /// Ends it without a word to its clients: `kill -9` on RabbitMQ.
    ///
    /// # Panics
    ///
    /// If it is a RabbitMQ that others share, or is dead already: take an own broker ([`crate::own_broker`]).
    pub async fn kill(&mut self) {
        if self.embedded.take().is_none() {
            self.own_node().kill().await.expect("the node can be killed");
        }
    }

    /// Restarts it, with its durable queues and persistent messages.
    ///
    /// # Panics
    ///
    /// If it is not an own broker ([`crate::own_broker`]).
    pub async fn restart(&self) {
        match self.kind() {
            Kind::Embedded(broker) => {
                let downtime = Duration::from_millis(300);
                broker.restart(Survives::Durable, downtime).await.expect("the broker listens again");
            }
            Kind::RabbitMq(_) => {
                let node = self.own_node();
                node.ctl(&["stop_app"]).await.expect("the node stops");
                node.ctl(&["start_app"]).await.expect("the node starts again");
            }
        }
    }

    /// Kills it, as [`TestBroker::kill`] does, and starts it again, with its durable queues and persistent messages.
    ///
    /// # Panics
    ///
    /// If it is not an own broker ([`crate::own_broker`]).
    pub async fn kill_and_start(&self) {
        match self.kind() {
            Kind::Embedded(broker) => {
                broker.cut_all().await;
                broker.restart(Survives::Durable, Duration::ZERO).await.expect("the broker listens again");
            }
            Kind::RabbitMq(_) => {
                let node = self.own_node();
                node.kill().await.expect("the node can be killed");
                node.start_again().await.expect("the node starts again");
            }
        }
    }

    /// Freezes it: connections stay open, and nobody answers, as if the network had swallowed it. The embedded broker
    /// freezes the connections that there are; RabbitMQ is stopped as a whole (SIGSTOP).
    ///
    /// # Panics
    ///
    /// If it is not an own broker ([`crate::own_broker`]).
    pub async fn freeze(&self) {
        match self.kind() {
            Kind::Embedded(broker) => {
                for connection in broker.connections() {
                    broker.freeze(connection.id, true);
                }
            }
            Kind::RabbitMq(_) => self.own_node().pause().await.expect("the node runs"),
        }
    }

    /// Lets what is frozen go on.
    ///
    /// # Panics
    ///
    /// As [`TestBroker::freeze`].
    pub async fn thaw(&self) {
        match self.kind() {
            Kind::Embedded(broker) => {
                for connection in broker.connections() {
                    broker.freeze(connection.id, false);
                }
            }
            Kind::RabbitMq(_) => self.own_node().resume().await.expect("the node runs"),
        }
    }

    /// Cuts every connection, without a word on the embedded broker.
    ///
    /// # Panics
    ///
    /// If it is not an own broker ([`crate::own_broker`]).
    pub async fn cut_connections(&self) {
        match self.kind() {
            Kind::Embedded(broker) => broker.cut_all().await,
            Kind::RabbitMq(_) => {
                let arguments = ["close_all_connections", "as a test"];
                self.own_node().ctl(&arguments).await.expect("connections can be closed");
            }
        }
    }

    /// Blocks publishers, as for want of memory. What a connection sends first may still be read.
    ///
    /// # Panics
    ///
    /// If it is a RabbitMQ that others share: take an own broker ([`crate::own_broker`]).
    pub async fn block_publishers(&self) {
        match self.kind() {
            Kind::Embedded(broker) => broker.block_publishers("low on memory"),
            Kind::RabbitMq(_) => self.limit_memory("0.00001").await,
        }
    }

    /// Lets publishers go on.
    ///
    /// # Panics
    ///
    /// As [`TestBroker::block_publishers`].
    pub async fn unblock_publishers(&self) {
        match self.kind() {
            Kind::Embedded(broker) => broker.unblock_publishers(),
            Kind::RabbitMq(_) => self.limit_memory("0.9").await,
        }
    }

    async fn limit_memory(&self, fraction: &str) {
        let arguments = ["set_vm_memory_high_watermark", fraction];
        self.own_node().ctl(&arguments).await.expect("the limit can be set");
    }

    /// Whether it ends consumers that do not ack in time ([`crate::OwnOptions::consumer_timeout`]); false on the
    /// embedded broker, which waits for ever.
    #[must_use]
    pub fn ends_slow_consumers(&self) -> bool {
        matches!(self.kind(), Kind::RabbitMq(_))
    }

    /// Loses the next delivery of a queue; false on RabbitMQ, which cannot.
    #[must_use]
    pub fn lose_next_delivery(&self, queue: &str) -> bool {
        match self.kind() {
            Kind::Embedded(broker) => {
                broker.tamper_with_delivery(queue, 1, Tampering::Drop);
                true
            }
            Kind::RabbitMq(_) => false,
        }
    }

    /// Withholds the confirms of the next `messages`, which have to go to this queue; those after them are confirmed if
    /// they go elsewhere. On RabbitMQ the queue's process does nothing until [`TestBroker::resume_queue`], and nobody
    /// is told; the embedded broker drops the next confirms for good, of whichever queue they are. False if these are
    /// too many for RabbitMQ: a channel that has sent 400 to such a queue waits for it.
    ///
    /// # Panics
    ///
    /// If there is no such queue on RabbitMQ.
    pub async fn suspend_queue(&self, queue: &str, messages: u32) -> bool {
        match self.kind() {
            Kind::Embedded(broker) => (0..messages).for_each(|_| broker.tamper_with_confirm(1, Tampering::Drop)),
            Kind::RabbitMq(_) if messages >= 400 => return false,
            Kind::RabbitMq(node) => self.queue_process(node, queue, "suspend").await,
        }
        true
    }

    /// Lets the queue go on. What RabbitMQ withheld it confirms then; what the embedded broker dropped stays dropped.
    ///
    /// # Panics
    ///
    /// As [`TestBroker::suspend_queue`].
    pub async fn resume_queue(&self, queue: &str) {
        match self.kind() {
            Kind::Embedded(broker) => broker.stop_tampering(),
            Kind::RabbitMq(node) => self.queue_process(node, queue, "resume").await,
        }
    }

    async fn queue_process(&self, node: &Node, queue: &str, verb: &str) {
        let vhost = &self.vhost;
        let expression = format!(
            r#"{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{vhost}">>, queue, <<"{queue}">>)),
               ok = sys:{verb}(amqqueue:get_pid(Q))."#
        );
        node.ctl(&["eval", &expression]).await.expect("the queue is there");
    }

    /// Whether a connection to this vhost is open whose client calls itself so.
    ///
    /// # Panics
    ///
    /// If the broker cannot be asked.
    pub async fn is_connected(&self, name: &str) -> bool {
        match self.kind() {
            Kind::Embedded(broker) => broker.connections().iter().any(|one| one.name.as_deref() == Some(name)),
            Kind::RabbitMq(node) => {
                let listed = node.ctl(&["list_connections", "vhost", "client_properties"]).await;
                let listed = listed.expect("connections can be listed");
                listed.lines().any(|line| line.starts_with(&self.vhost) && line.contains(name))
            }
        }
    }
}
