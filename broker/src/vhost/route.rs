//! Where a message goes: through exchanges that are bound to exchanges, and to the alternate exchange if nowhere else.

use std::sync::Arc;

use super::State;
use crate::exchange::Destination;
use crate::message::Message;
use crate::queue::QueueId;

impl State {
    /// Collects the queues that `message` goes to, each once.
    pub(super) fn route(&mut self, message: &Message, routed: &mut Vec<QueueId>) {
        let key = message.routing_key();
        if message.exchange().is_empty() {
            let name = std::str::from_utf8(key).ok();
            routed.extend(name.and_then(|name| self.queue_names.get(name)));
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
            exchange.route(key, message, |destination| {
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
        if routed.len() > 1 {
            routed.sort_unstable();
            routed.dedup();
        }
    }
}
