//! The topic exchange's patterns: words between dots, `*` for one word, `#` for any number of words, none too.

use rustc_hash::FxHashMap;

/// Patterns as a tree of words, each with the values that were put under it.
#[derive(Debug)]
pub(crate) struct Topics<T> {
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    words: FxHashMap<Box<[u8]>, Node<T>>,
    one: Option<Box<Node<T>>>,
    any: Option<Box<Node<T>>>,
    /// It stands for `#`: any word leads back to it.
    stays: bool,
    values: Vec<T>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Node { words: FxHashMap::default(), one: None, any: None, stays: false, values: Vec::new() }
    }
}

impl<T> Default for Topics<T> {
    fn default() -> Self {
        Topics { root: Node::default() }
    }
}

impl<T: PartialEq> Topics<T> {
    pub(crate) fn insert(&mut self, pattern: &[u8], value: T) {
        let mut node = &mut self.root;
        for word in words(pattern) {
            node = match word {
                b"*" => node.one.get_or_insert_default(),
                b"#" => node.any.get_or_insert_with(|| Box::new(Node { stays: true, ..Node::default() })),
                word => node.words.entry(word.into()).or_default(),
            };
        }
        node.values.push(value);
    }

    /// Calls `found` with every value whose pattern matches `key`. A value may come more than once, if it was put in
    /// more than once.
    ///
    /// All the places in the tree that the words up to here can have led to go on together, so that a key costs its
    /// words times the tree's nodes at most, however many `#` there are.
    pub(crate) fn matches(&self, key: &[u8], found: &mut impl FnMut(&T)) {
        let mut places = Vec::new();
        self.root.enter(&mut places);
        let mut next = Vec::new();
        for word in words(key) {
            for place in places.drain(..) {
                place.step(word, &mut next);
            }
            std::mem::swap(&mut places, &mut next);
        }
        places.iter().flat_map(|place| &place.values).for_each(found);
    }
}

impl<T> Node<T> {
    /// Adds this node to `places`, and those behind it that need no word.
    fn enter<'a>(&'a self, places: &mut Vec<&'a Node<T>>) {
        // Only a node that stays can be come to in two ways: every other has one way in.
        if self.stays && places.iter().any(|place| std::ptr::eq(*place, self)) {
            return;
        }
        places.push(self);
        if let Some(any) = &self.any {
            any.enter(places);
        }
    }

    /// Adds where `word` leads from here.
    fn step<'a>(&'a self, word: &[u8], places: &mut Vec<&'a Node<T>>) {
        if self.stays {
            self.enter(places);
        }
        if let Some(one) = &self.one {
            one.enter(places);
        }
        if let Some(next) = self.words.get(word) {
            next.enter(places);
        }
    }
}

/// The words of a key. An empty key has none, as in RabbitMQ.
fn words(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    let count = if key.is_empty() { 0 } else { usize::MAX };
    key.split(|byte| *byte == b'.').take(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, key: &str) -> bool {
        let mut topics = Topics::default();
        topics.insert(pattern.as_bytes(), ());
        let mut found = false;
        topics.matches(key.as_bytes(), &mut |()| found = true);
        found
    }

    /// The definition, straight.
    fn defined(pattern: &[&[u8]], key: &[&[u8]]) -> bool {
        match (pattern.split_first(), key.split_first()) {
            (None, None) => true,
            (Some((&b"#", rest)), _) => (0..=key.len()).any(|skipped| defined(rest, &key[skipped..])),
            (Some((&b"*", rest)), Some((_, key))) => defined(rest, key),
            (Some((word, rest)), Some((first, key))) => word == first && defined(rest, key),
            _ => false,
        }
    }

    #[test]
    fn patterns_match_as_the_tutorial_says() {
        for (pattern, key, expected) in [
            ("*.orange.*", "quick.orange.rabbit", true),
            ("*.orange.*", "orange", false),
            ("lazy.#", "lazy", true),
            ("lazy.#", "lazy.brown.fox", true),
            ("#", "", true),
            ("*", "", false),
            ("", "", true),
            ("#.a.#.a", "x.a.y.a", true),
            ("a..b", "a..b", true),
            ("a.*.b", "a..b", true),
        ] {
            assert_eq!(matches(pattern, key), expected, "{pattern} {key}");
        }
    }

    #[test]
    fn many_hashes_and_a_long_key_take_no_time() {
        // By trying every way, this would be 128 over 40.
        let pattern = ["#.a"; 40].join(".") + ".b";
        let key = ["a"; 128].join(".");
        assert!(!matches(&pattern, &key));
        assert!(matches(&pattern, &(key + ".b")));
    }

    proptest! {
        #[test]
        fn the_tree_finds_what_the_definition_does(
            patterns in proptest::collection::vec("([ab*#](\\.[ab*#]){0,6})?", 1..6),
            key in "([ab](\\.[ab]){0,8})?",
        ) {
            let mut topics = Topics::default();
            for (number, pattern) in patterns.iter().enumerate() {
                topics.insert(pattern.as_bytes(), number);
            }
            let mut found = Vec::new();
            topics.matches(key.as_bytes(), &mut |number| found.push(*number));
            found.sort_unstable();
            let key: Vec<&[u8]> = words(key.as_bytes()).collect();
            let matching = |pattern: &String| defined(&words(pattern.as_bytes()).collect::<Vec<_>>(), &key);
            let expected = patterns.iter().enumerate().filter(|(_, pattern)| matching(pattern));
            let expected: Vec<usize> = expected.map(|(number, _)| number).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
