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
    values: Vec<T>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Node { words: FxHashMap::default(), one: None, any: None, values: Vec::new() }
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
                b"#" => node.any.get_or_insert_default(),
                word => node.words.entry(word.into()).or_default(),
            };
        }
        node.values.push(value);
    }

    /// Calls `found` with every value whose pattern matches `key`. A value may come more than once.
    pub(crate) fn matches(&self, key: &[u8], found: &mut impl FnMut(&T)) {
        let words: Vec<&[u8]> = words(key).collect();
        self.root.matches(&words, found);
    }
}

impl<T> Node<T> {
    fn matches(&self, words: &[&[u8]], found: &mut impl FnMut(&T)) {
        if let Some(any) = &self.any {
            for skipped in 0..=words.len() {
                any.matches(&words[skipped..], found);
            }
        }
        let Some((first, rest)) = words.split_first() else {
            self.values.iter().for_each(found);
            return;
        };
        if let Some(one) = &self.one {
            one.matches(rest, found);
        }
        if let Some(next) = self.words.get(*first) {
            next.matches(rest, found);
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

    proptest! {
        #[test]
        fn the_tree_finds_what_the_definition_does(pattern in "([ab*#](\\.[ab*#]){0,4})?", key in "([ab](\\.[ab]){0,5})?") {
            let pattern_words: Vec<&[u8]> = words(pattern.as_bytes()).collect();
            let key_words: Vec<&[u8]> = words(key.as_bytes()).collect();
            prop_assert_eq!(matches(&pattern, &key), defined(&pattern_words, &key_words));
        }
    }
}
