//! Exchanges: where a message goes, by its routing key or headers. No I/O and no locks.

pub(crate) mod headers;
pub(crate) mod topic;

use std::sync::Arc;

use amq_protocol::types::FieldTable;
use rustc_hash::FxHashMap;

use crate::message::{Headers, Message};
use crate::queue::QueueId;
use crate::wire::properties;
use headers::HeadersMatch;
use topic::Topics;

/// An exchange's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Direct,
    Fanout,
    Topic,
    Headers,
}

impl Kind {
    pub(crate) fn parse(name: &str) -> Option<Kind> {
        match name {
            "direct" => Some(Kind::Direct),
            "fanout" => Some(Kind::Fanout),
            "topic" => Some(Kind::Topic),
            "headers" => Some(Kind::Headers),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Direct => "direct",
            Kind::Fanout => "fanout",
            Kind::Topic => "topic",
            Kind::Headers => "headers",
        }
    }
}

/// Where a binding leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Destination {
    Queue(QueueId),
    Exchange(Arc<str>),
}

/// A binding; its source is the exchange that holds it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Binding {
    pub(crate) destination: Destination,
    pub(crate) routing_key: String,
    pub(crate) arguments: FieldTable,
}

/// What an exchange was declared as.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExchangeOptions {
    pub(crate) kind: Kind,
    pub(crate) durable: bool,
    pub(crate) auto_delete: bool,
    pub(crate) internal: bool,
    pub(crate) arguments: FieldTable,
    pub(crate) alternate: Option<Arc<str>>,
}

/// An exchange with its bindings.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) name: Arc<str>,
    pub(crate) options: ExchangeOptions,
    /// All bindings, in the order in which they were made.
    bindings: Vec<Binding>,
    index: Index,
}

/// How the bindings are found.
#[derive(Debug)]
enum Index {
    Direct(FxHashMap<Box<[u8]>, Vec<Destination>>),
    Fanout,
    Topic(Topics<Destination>),
    Headers(Vec<(HeadersMatch, Destination)>),
}

impl Index {
    fn new(kind: Kind) -> Index {
        match kind {
            Kind::Direct => Index::Direct(FxHashMap::default()),
            Kind::Fanout => Index::Fanout,
            Kind::Topic => Index::Topic(Topics::default()),
            Kind::Headers => Index::Headers(Vec::new()),
        }
    }

    fn insert(&mut self, binding: &Binding) {
        match self {
            Index::Direct(keys) => {
                keys.entry(binding.routing_key.as_bytes().into()).or_default().push(binding.destination.clone());
            }
            Index::Fanout => {}
            Index::Topic(topics) => topics.insert(binding.routing_key.as_bytes(), binding.destination.clone()),
            Index::Headers(matches) => {
                matches.push((HeadersMatch::new(&binding.arguments), binding.destination.clone()));
            }
        }
    }
}

impl Exchange {
    pub(crate) fn new(name: Arc<str>, options: ExchangeOptions) -> Exchange {
        let index = Index::new(options.kind);
        Exchange { name, options, bindings: Vec::new(), index }
    }

    pub(crate) fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// Adds a binding, unless it is there already.
    pub(crate) fn bind(&mut self, binding: Binding) {
        if !self.bindings.contains(&binding) {
            self.index.insert(&binding);
            self.bindings.push(binding);
        }
    }

    /// Takes the bindings away for which `gone` holds, and says how many there were.
    pub(crate) fn unbind(&mut self, gone: impl Fn(&Binding) -> bool) -> usize {
        let before = self.bindings.len();
        self.bindings.retain(|binding| !gone(binding));
        let removed = before - self.bindings.len();
        if removed > 0 {
            self.index = Index::new(self.options.kind);
            self.bindings.iter().for_each(|binding| self.index.insert(binding));
        }
        removed
    }

    /// Calls `found` with every destination of the message under its routing key and `copies` (the keys in its `CC` and
    /// `BCC`). One destination may come more than once.
    pub(crate) fn route(&self, message: &Message, copies: &[Vec<u8>], mut found: impl FnMut(&Destination)) {
        let keys = std::iter::once(message.routing_key()).chain(copies.iter().map(Vec::as_slice));
        match &self.index {
            Index::Direct(bound) => {
                keys.filter_map(|key| bound.get(key)).flatten().for_each(found);
            }
            Index::Fanout => self.bindings.iter().for_each(|binding| found(&binding.destination)),
            Index::Topic(topics) => keys.for_each(|key| topics.matches(key, &mut found)),
            Index::Headers(matches) => {
                let has_headers = message.traits.headers != Headers::None;
                let headers = if has_headers { properties::headers(message.properties()) } else { None };
                let headers = headers.unwrap_or_default();
                for (wanted, destination) in matches {
                    if wanted.holds(&headers) {
                        found(destination);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(kind: Kind) -> Exchange {
        let options = ExchangeOptions {
            kind,
            durable: true,
            auto_delete: false,
            internal: false,
            arguments: FieldTable::default(),
            alternate: None,
        };
        Exchange::new("e".into(), options)
    }

    fn binding(queue: u64, key: &str) -> Binding {
        Binding {
            destination: Destination::Queue(QueueId(queue)),
            routing_key: key.to_owned(),
            arguments: FieldTable::default(),
        }
    }

    fn routed(exchange: &Exchange, key: &str) -> Vec<Destination> {
        let message = Message::new("e".into(), key.as_bytes(), &[0, 0], b"");
        let mut found = Vec::new();
        exchange.route(&message, &[], |destination| found.push(destination.clone()));
        found
    }

    #[test]
    fn a_direct_exchange_routes_by_the_whole_key() {
        let mut exchange = exchange(Kind::Direct);
        exchange.bind(binding(1, "a"));
        exchange.bind(binding(2, "a"));
        exchange.bind(binding(2, "a"));
        exchange.bind(binding(3, "b"));
        assert_eq!(routed(&exchange, "a"), [Destination::Queue(QueueId(1)), Destination::Queue(QueueId(2))]);
        assert_eq!(exchange.unbind(|binding| binding.destination == Destination::Queue(QueueId(1))), 1);
        assert_eq!(routed(&exchange, "a"), [Destination::Queue(QueueId(2))]);
        assert!(routed(&exchange, "c").is_empty());
    }

    #[test]
    fn a_fanout_exchange_routes_to_all() {
        let mut exchange = exchange(Kind::Fanout);
        exchange.bind(binding(1, "a"));
        exchange.bind(binding(2, "b"));
        assert_eq!(routed(&exchange, "anything").len(), 2);
    }
}
