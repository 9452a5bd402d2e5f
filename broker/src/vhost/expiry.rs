//! What ends by time: messages at the head of a queue, and queues that nobody uses.

use std::cmp::Reverse;

use super::State;
use crate::clock::Tick;
use crate::queue::QueueId;

impl State {
    /// Sets the timer of a queue whose head will expire, unless it is set early enough.
    pub(super) fn set_head_timer(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        let Some(due) = queue.ready.head().map(|head| head.expires_at).filter(|due| *due != Tick::NEVER) else {
            return;
        };
        if queue.head_timer.is_none_or(|set| due < set) {
            queue.head_timer = Some(due);
            self.set_timer(due, id);
        }
    }

    /// Sets the timer of a queue that ends when it is not used.
    pub(super) fn set_expires_timer(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        let Some(expires_ms) = queue.settings().expires_ms else { return };
        if queue.expires_timer.is_none() {
            let due = queue.used_at.after_ms(expires_ms);
            queue.expires_timer = Some(due);
            self.set_timer(due, id);
        }
    }

    fn set_timer(&mut self, due: Tick, id: QueueId) {
        self.timers_changed |= self.timers.peek().is_none_or(|Reverse((first, _))| due < *first);
        self.timers.push(Reverse((due, id)));
    }

    /// Does what is due, and says when the next timer is.
    pub(super) fn fire_timers(&mut self) -> Option<Tick> {
        while let Some(Reverse((due, id))) = self.timers.peek().copied() {
            if due > self.now {
                return Some(due);
            }
            self.timers.pop();
            self.expire_queue_if_unused(id);
            let Some(queue) = self.queues.get_mut(&id) else { continue };
            if queue.head_timer.is_some_and(|set| set <= due) {
                queue.head_timer = None;
                self.bury_expired(id, |expires_at, now| expires_at <= now);
                self.set_head_timer(id);
            }
            self.settle_down();
        }
        None
    }

    fn expire_queue_if_unused(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        let Some(expires_ms) = queue.settings().expires_ms else { return };
        if queue.expires_timer.is_none_or(|set| set > self.now) {
            return;
        }
        queue.expires_timer = None;
        if !queue.consumers.is_empty() {
            // Its last consumer's end sets the timer again.
            return;
        }
        if queue.used_at.after_ms(expires_ms) <= self.now {
            self.delete_queue(id);
        } else {
            self.set_expires_timer(id);
        }
    }
}
