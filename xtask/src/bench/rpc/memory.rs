//! What is said by the program that weighs a client.

use anyhow::Context;
use serde::de::DeserializeOwned;

use super::super::number::number;
use super::super::program::whole_result_of;
use super::Bench;

impl Bench {
    /// Weighs a client: `what` and how many calls are the program's arguments.
    pub(super) fn weigh<T: DeserializeOwned>(&self, what: &str, calls: u32) -> anyhow::Result<T> {
        let line = whole_result_of(&self.examples, "memory", &[what, &self.url, &calls.to_string()])?;
        serde_json::from_str(&line).with_context(|| format!("memory {what} printed {line}"))
    }
}

pub(super) fn kib(bytes: f64) -> String {
    format!("{} KiB", number(bytes / 1024.0, 1))
}

pub(super) fn mib(kib: f64) -> String {
    format!("{} MiB", number(kib / 1024.0, 1))
}
