//! So many calls by one client, weighed after each tenth of them, when none is in flight.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use warren_rpc::{Client, ClientOptions};

use crate::{
    instance::Instance,
    methods::{Echo, text},
    weight::{resident_kib, settled_heap_bytes},
};

const IN_FLIGHT: usize = 64;
const PARTS: usize = 10;

pub(crate) async fn measure(url: &str, calls: usize) -> Result<Value, Box<dyn Error>> {
    let instance = Instance::start(url, 1).await?;
    let client = Client::connect(url, ClientOptions::default()).await?;
    let part_calls = calls / PARTS;
    // Room for all before the first is weighed.
    let (mut heap_bytes, mut residents_kib) = (Vec::with_capacity(PARTS), Vec::with_capacity(PARTS));
    let mut wall = Duration::ZERO;
    for _ in 0..PARTS {
        let begun = Instant::now();
        pass(&client, part_calls).await?;
        wall += begun.elapsed();
        heap_bytes.push(settled_heap_bytes().await);
        residents_kib.push(resident_kib()?);
    }
    client.close().await;
    instance.end().await?;
    let made = part_calls * PARTS;
    Ok(json!({
        "calls": made,
        "calls_per_s": (made as f64 / wall.as_secs_f64()).round(),
        "heap_bytes": heap_bytes,
        "resident_kib": residents_kib,
    }))
}

async fn pass(client: &Client, calls: usize) -> Result<(), Box<dyn Error>> {
    let text = text();
    stream::iter(0..calls)
        .map(|_| async {
            let reply = client.call::<Echo>(&text).await?;
            if reply == text { Ok(()) } else { Err(Box::<dyn Error>::from("a reply of another text")) }
        })
        .buffer_unordered(IN_FLIGHT)
        .try_for_each(|()| async { Ok(()) })
        .await
}
