//! Prometheus' text format, version 0.0.4.

use std::fmt::Write;

/// What a family of samples is called.
#[derive(Clone, Copy)]
pub(super) struct Family<'a> {
    name: &'a str,
    help: &'a str,
    kind: &'static str,
}

impl<'a> Family<'a> {
    pub(super) fn counter(name: &'a str, help: &'a str) -> Family<'a> {
        Family { name, help, kind: "counter" }
    }

    pub(super) fn gauge(name: &'a str, help: &'a str) -> Family<'a> {
        Family { name, help, kind: "gauge" }
    }

    pub(super) fn untyped(name: &'a str, help: &'a str) -> Family<'a> {
        Family { name, help, kind: "untyped" }
    }
}

/// The text as far as it is written.
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    /// Begins a family; its samples follow.
    pub(super) fn family(&mut self, family: Family<'_>) -> Samples<'_> {
        let Family { name, help, kind } = family;
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.add(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        Samples { name: name.to_owned(), text: self }
    }

    fn add(&mut self, arguments: std::fmt::Arguments<'_>) {
        self.0.write_fmt(arguments).expect("a text takes everything");
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// Where the samples of one family go.
pub(super) struct Samples<'a> {
    name: String,
    text: &'a mut Text,
}

impl Samples<'_> {
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        let Samples { name, text } = self;
        text.add(format_args!("{name}"));
        for (place, (label, value)) in labels.iter().enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            text.add(format_args!("{before}{label}=\"{}\"", escaped(value)));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        text.add(format_args!("{end} {value}\n"));
    }
}

/// A label's value: any text, with three characters escaped.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_explained_and_its_labels_are_escaped() {
        let mut text = Text::default();
        let mut family = text.family(Family::gauge("queue_messages", "Back\\slash\nand line"));
        family.sample(&[("vhost", "/"), ("queue", "a\"b\\c\nd")], 3.0);
        family.sample(&[], 0.5);
        let expected = "# HELP queue_messages Back\\\\slash\\nand line\n# TYPE queue_messages gauge\n\
                        queue_messages{vhost=\"/\",queue=\"a\\\"b\\\\c\\nd\"} 3\nqueue_messages 0.5\n";
        assert_eq!(text.into_string(), expected);
    }
}
