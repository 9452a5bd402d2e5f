//! So many calls unanswered at the same time.

use std::{error::Error, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use serde_json::{Value, json};
use warren_rpc::{CallOptions, Client, ClientOptions};

use crate::{
    instance::Instance,
    methods::{Echo, Held, text},
    weight::{heap_bytes, resident_kib, settled_heap_bytes},
};

const WARM_UP_CALLS: usize = 100;
/// Longer than a burst takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// What a burst weighs.
struct Burst {
    /// With every call in flight.
    heap_bytes: usize,
    resident_kib: u64,
    /// After the last one has ended.
    heap_bytes_after: usize,
}

pub(crate) async fn measure(url: &str, calls: usize) -> Result<Value, Box<dyn Error>> {
    let mut instance = Instance::start(url, calls).await?;
    let client = Client::connect(url, ClientOptions::default()).await?;
    let text = text();
    for _ in 0..WARM_UP_CALLS {
        client.call::<Echo>(&text).await?;
    }
    let (heap_bytes_before, resident_kib_before) = (settled_heap_bytes().await, resident_kib()?);
    let first = burst(&client, &mut instance, calls, &(0, text.clone())).await?;
    let second = burst(&client, &mut instance, calls, &(1, text.clone())).await?;
    client.close().await;
    instance.end().await?;
    Ok(json!({
        "calls": calls,
        "resident_kib_before": resident_kib_before,
        "resident_kib": first.resident_kib,
        "heap_bytes_before": heap_bytes_before,
        "heap_bytes": first.heap_bytes,
        "heap_bytes_after": first.heap_bytes_after,
        "heap_bytes_after_second": second.heap_bytes_after,
    }))
}

async fn burst(
    client: &Client,
    instance: &mut Instance,
    calls: usize,
    request: &(usize, String),
) -> Result<Burst, Box<dyn Error>> {
    let options = || CallOptions { deadline: DEADLINE, ..CallOptions::default() };
    let mut pending: FuturesUnordered<_> = (0..calls).map(|_| client.call_with::<Held>(request, options())).collect();
    tokio::select! {
        biased;
        held = instance.says("holding") => held?,
        ended = pending.next() => return Err(format!("a call ended before its answer: {ended:?}").into()),
    }
    if client.in_flight() != calls {
        return Err(format!("{} of {calls} calls are in flight", client.in_flight()).into());
    }
    let (heap_bytes, resident_kib) = (heap_bytes(), resident_kib()?);
    instance.answer().await?;
    while let Some(reply) = pending.next().await {
        if reply? != request.1 {
            return Err("a reply of another text".into());
        }
    }
    drop(pending);
    Ok(Burst { heap_bytes, resident_kib, heap_bytes_after: settled_heap_bytes().await })
}
