//! `warren methods`.

use serde_json::json;
use warren_proto::registry;

use crate::{failure::Failure, output::Output};

pub(crate) fn run(output: Output) -> Result<(), Failure> {
    let methods: Vec<_> = registry::methods()
        .iter()
        .map(|method| {
            json!({
                "method": method.name,
                "service": method.service,
                "summary": method.summary,
                "example": method.example,
            })
        })
        .collect();
    output.value(&methods)
}
