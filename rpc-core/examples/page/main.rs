//! The package of docs/rpc.md, as it stands there: `cargo run --example page -- serve`, and `ask`, against a broker on
//! 127.0.0.1:5672.

// As the package is called there.
extern crate self as calculator;

#[allow(clippy::print_stdout, reason = "it is a program")]
mod ask;
#[path = "lib.rs"]
#[allow(missing_docs, missing_debug_implementations, reason = "as short as it is on the page")]
mod library;
mod serve;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod sum;

pub use self::library::{Sum, SumRequest, service};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("serve") => serve::main(),
        Some("ask") => ask::main(),
        _ => Err("serve, or ask?".into()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_has_these_files_as_they_are() {
        let page = include_str!("../../../docs/rpc.md");
        for file in [include_str!("lib.rs"), include_str!("serve.rs"), include_str!("ask.rs"), include_str!("sum.rs")] {
            // In the package, they are not modules of this program. `rs` and not `rust`: no test of the documentation.
            let file = file.replace("pub(crate) ", "");
            assert!(page.contains(&format!("```rs\n{file}```\n")), "{file}");
        }
    }
}
