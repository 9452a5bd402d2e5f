//! Where a message goes: through exchanges that are bound to exchanges, and to the alternate exchange if nowhere else.

use std::sync::Arc;

use super::{State, copies};
use crate::exchange::Destination;
use crate::message::Message;
use crate::queue::QueueId;

impl State {
    /// Collects the queues that `message` goes to, each once.
    pub(super) fn route(&mut self, message: &Message, routed: &mut Vec<QueueId>) {
        let copies = copies::routing_keys(message);
        if message.exchange().is_empty() {
            for key in std::iter::once(message.routing_key()).chain(copies.iter().map(Vec::as_slice)) {
                routed.extend(std::str::from_utf8(key).ok().and_then(|name| self.queue_names.get(name)));
            }
            once_each(routed);
            return;
        }
        let mut next = vec![Arc::clone(message.exchange_arc())];
        self.visited.clear();
        while let Some(name) = next.pop() {
            let Some(exchange) = self.exchanges.get(&name) else { continue };
            if !self.visited.insert(name) {
                continue;
            }
            let mut matched = false;
            exchange.route(message, &copies, |destination| {
                matched = true;
                match destination {
                    Destination::Queue(queue) => routed.push(*queue),
                    Destination::Exchange(exchange) => next.push(Arc::clone(exchange)),
                }
            });
            if !matched {
                next.extend(exchange.options.alternate.clone());
            }
        }
        once_each(routed);
    }
}

fn once_each(routed: &mut Vec<QueueId>) {
    if routed.len() > 1 {
        routed.sort_unstable();
        routed.dedup();
    }
}
