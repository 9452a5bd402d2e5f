//! Echo calls, client and server in one process, and how fast they were: one line of JSON.
//!
//!     cargo run --release -p warren-rpc --example echo -- amqp://localhost 20000
//!
//! 64 calls of 256 bytes are in flight at a time; a tenth of the calls more come first, to warm up.
#![allow(clippy::print_stdout, reason = "its line of JSON")]

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use warren_rpc::{Client, ClientOptions, Context, Method, MethodOptions, ServeOptions, Service, Status};

const IN_FLIGHT: usize = 64;
const BODY_BYTES: usize = 256;
const PREFETCH: u16 = 256;

struct Echo;

impl Method for Echo {
    const NAME: &'static str = "example.echo";
    type Request = String;
    type Reply = String;
}

async fn echo(_: Arc<()>, _: Context, text: String) -> Result<String, Status> {
    Ok(text)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://localhost".to_owned());
    let calls: usize = arguments.next().map_or(Ok(20_000), |calls| calls.parse())?;

    let server = Client::connect(&url, ClientOptions::default()).await?;
    let service = Service::new("example", "1.0.0", Arc::new(()))
        .method_with::<Echo, _, _>(MethodOptions { prefetch: PREFETCH }, echo);
    let running = service.serve(&server, ServeOptions::default()).await?;
    let client = Client::connect(&url, ClientOptions::default()).await?;

    pass(&client, calls / 10).await?;
    let begun = Instant::now();
    let mut took = pass(&client, calls).await?;
    let wall = begun.elapsed();
    took.sort_unstable();
    let at = |per_mille: usize| took.get(took.len() * per_mille / 1000).map_or(0, Duration::as_micros);
    println!(
        r#"{{"calls":{calls},"calls_per_s":{:.0},"p50_us":{},"p99_us":{}}}"#,
        calls as f64 / wall.as_secs_f64(),
        at(500),
        at(990)
    );
    running.shutdown().await;
    Ok(())
}

/// Makes the calls; how long each took.
async fn pass(client: &Client, calls: usize) -> Result<Vec<Duration>, Box<dyn Error>> {
    let text = "x".repeat(BODY_BYTES);
    let answers = stream::iter(0..calls).map(|_| async {
        let begun = Instant::now();
        let reply = client.call::<Echo>(&text).await?;
        if reply == text { Ok(begun.elapsed()) } else { Err("an echo of another text".into()) }
    });
    answers.buffer_unordered(IN_FLIGHT).collect::<Vec<_>>().await.into_iter().collect()
}
