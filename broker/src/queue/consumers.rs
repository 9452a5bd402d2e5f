//! A queue's consumers: the highest priority first, in turn among equals, or one active consumer alone.

/// A consumer, for as long as it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConsumerId(pub(crate) u64);

#[derive(Debug, Clone, Copy)]
struct Member {
    id: ConsumerId,
    priority: i32,
}

/// The consumers of one queue.
#[derive(Debug)]
pub(crate) struct Consumers {
    /// By priority, the highest first; among equals, who waits longest first.
    members: Vec<Member>,
    /// Only one is served: the first that came, until it goes.
    single_active: bool,
    active: Option<ConsumerId>,
    /// Nobody else may consume.
    pub(crate) exclusive: bool,
    /// Whether there ever was one: an auto-delete queue goes with its last.
    pub(crate) had_any: bool,
}

impl Consumers {
    pub(crate) fn new(single_active: bool) -> Consumers {
        Consumers { members: Vec::new(), single_active, active: None, exclusive: false, had_any: false }
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The one that is served, if only one is.
    #[cfg(feature = "http")]
    pub(crate) fn active(&self) -> Option<ConsumerId> {
        self.active
    }

    /// Whether only one is served.
    #[cfg(feature = "http")]
    pub(crate) fn is_single_active(&self) -> bool {
        self.single_active
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ConsumerId> {
        self.members.iter().map(|member| member.id)
    }

    pub(crate) fn add(&mut self, id: ConsumerId, priority: i32) {
        self.insert(Member { id, priority });
        self.had_any = true;
        if self.single_active {
            self.active.get_or_insert(id);
        }
    }

    fn insert(&mut self, member: Member) {
        let place = self.members.partition_point(|other| other.priority >= member.priority);
        self.members.insert(place, member);
    }

    /// Takes a consumer away. With a single active consumer, the next one takes over.
    pub(crate) fn remove(&mut self, id: ConsumerId) {
        self.members.retain(|member| member.id != id);
        if self.active == Some(id) {
            self.active = self.members.first().map(|member| member.id);
        }
        if self.members.is_empty() {
            self.exclusive = false;
        }
    }

    /// The next consumer that is `able`; it then waits behind its equals.
    pub(crate) fn next(&mut self, mut able: impl FnMut(ConsumerId) -> bool) -> Option<ConsumerId> {
        if self.single_active {
            return self.active.filter(|id| able(*id));
        }
        let place = self.members.iter().position(|member| able(member.id))?;
        let member = self.members[place];
        if self.members.len() > 1 {
            self.members.remove(place);
            self.insert(member);
        }
        Some(member.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(consumers: &mut Consumers, count: usize, able: impl Fn(ConsumerId) -> bool) -> Vec<u64> {
        (0..count).filter_map(|_| consumers.next(&able)).map(|id| id.0).collect()
    }

    fn consumers(priorities: &[i32], single_active: bool) -> Consumers {
        let mut consumers = Consumers::new(single_active);
        for (id, priority) in (0..).zip(priorities) {
            consumers.add(ConsumerId(id), *priority);
        }
        consumers
    }

    #[test]
    fn equals_are_served_in_turn() {
        assert_eq!(served(&mut consumers(&[0, 0, 0], false), 6, |_| true), [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn a_lower_priority_is_served_when_no_higher_one_can_be() {
        let mut consumers = consumers(&[0, 10], false);
        assert_eq!(served(&mut consumers, 2, |_| true), [1, 1]);
        assert_eq!(served(&mut consumers, 2, |id| id.0 == 0), [0, 0]);
    }

    #[test]
    fn a_single_active_consumer_is_served_alone_until_it_goes() {
        let mut consumers = consumers(&[0, 0], true);
        assert_eq!(served(&mut consumers, 2, |_| true), [0, 0]);
        assert!(served(&mut consumers, 1, |id| id.0 == 1).is_empty());
        consumers.remove(ConsumerId(0));
        assert_eq!(served(&mut consumers, 2, |_| true), [1, 1]);
    }
}
