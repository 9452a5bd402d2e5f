//! What a client weighs: one line of JSON.
//!
//!     cargo run --release -p warren-rpc --example memory -- in-flight amqp://localhost 10000
//!     cargo run --release -p warren-rpc --example memory -- many amqp://localhost 1000000
//!
//! `in-flight`: so many calls that are all unanswered at the same time, then answered, twice. `many`: so many calls, 64
//! at a time. The instance that answers them is this program once more, as another process (`serve`), so that all that
//! is counted is the caller's: the client, the calls' futures, the runtime.
#![allow(clippy::print_stdout, reason = "its line of JSON")]

mod in_flight;
mod instance;
mod many;
mod methods;
mod weight;

use std::{alloc::System, error::Error};

use cap::Cap;

/// Counts the bytes that are alive.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, url, calls] = &arguments[..] else { return Err("in-flight|many|serve URL CALLS is needed".into()) };
    let calls: usize = calls.parse()?;
    match what.as_str() {
        "in-flight" => println!("{}", in_flight::measure(url, calls).await?),
        "many" => println!("{}", many::measure(url, calls).await?),
        "serve" => instance::serve(url, calls).await?,
        _ => return Err(format!("{what} is none of in-flight, many and serve").into()),
    }
    Ok(())
}
