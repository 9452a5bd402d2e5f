//! `warren bench echo`: how fast calls are, and what they cost this process.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use hdrhistogram::Histogram;
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};
use serde::Serialize;
use warren_host::replies::{RepliesOptions, ReplyTransaction, SqliteReplies};
use warren_proto::{
    Blob,
    bench::{Echo, EchoOnce},
};
use warren_rpc::{
    CallError, CallOptions, Client, ClientOptions, Context, Method, MethodOptions, Running, ServeOptions, Service,
    Status,
};

use super::Session;
use crate::{
    address,
    cli::{self, Bench},
    failure::Failure,
};

/// Latencies beyond this count as this.
const LATENCY_MAX_US: u64 = 60_000_000;

/// What a run says: a line that other programs for the same work print too.
#[derive(Debug, Serialize)]
struct Measured {
    peer: &'static str,
    calls: u64,
    inflight: u16,
    payload: u32,
    calls_per_s: f64,
    p50_us: u64,
    p99_us: u64,
    p999_us: u64,
    /// User and system time of this process: client and service.
    cpu_us_per_call: f64,
}

pub(super) async fn run(session: &Session, bench: &Bench) -> Result<(), Failure> {
    let Bench::Echo(echo) = bench;
    let (work, options) = (echo.work, MethodOptions { prefetch: Some(echo.prefetch) });
    let measured = if echo.once {
        let directory = tempfile::tempdir().map_err(|error| Failure::internal(format!("a directory: {error}")))?;
        let path = directory.path().join("replies.db");
        let replies = SqliteReplies::alone(&path, RepliesOptions::default()).await;
        let replies = Arc::new(replies.map_err(|error| Failure::internal(error.to_string()))?);
        let handler = move |_: Arc<()>, _: Context, transaction: ReplyTransaction, blob: Blob| async move {
            wait(work).await;
            Ok((blob, transaction))
        };
        measure::<EchoOnce>(session, echo, service().once::<EchoOnce, _, _, _>(options, replies, handler)).await
    } else {
        let handler = move |_: Arc<()>, _: Context, blob: Blob| async move {
            wait(work).await;
            Ok::<_, Status>(blob)
        };
        measure::<Echo>(session, echo, service().method_with::<Echo, _, _>(options, handler)).await
    };
    session.output.value(&measured?)
}

/// Waits, unless it is for no time: tokio's timer would round that up.
async fn wait(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

fn service() -> Service<()> {
    Service::new("bench", env!("CARGO_PKG_VERSION"), Arc::new(()))
}

/// Serves, calls, and stops serving.
async fn measure<M>(session: &Session, echo: &cli::Echo, service: Service<()>) -> Result<Measured, Failure>
where
    M: Method<Request = Blob, Reply = Blob>,
{
    // A connection of its own, as a service has: callers are other processes.
    let serving = address::connect(&session.url, ClientOptions::default()).await?;
    let mut running: Vec<Running> = Vec::new();
    for _ in 0..echo.instances {
        let instance = service.serve(&serving, ServeOptions::default()).await;
        running.push(instance.map_err(|error| Failure::internal(error.to_string()))?);
    }
    let load = Load {
        client: session.client.clone(),
        options: session.options(),
        inflight: echo.inflight.into(),
        request: Blob::from(vec![b'x'; echo.payload as usize]),
    };
    load.clone().pass::<M>(echo.calls.div_ceil(10)).await?;
    let (cpu, begun) = (cpu_time(), Instant::now());
    let latencies = load.pass::<M>(echo.calls).await?;
    let (wall, cpu) = (begun.elapsed(), cpu_time().saturating_sub(cpu));
    for instance in running {
        instance.shutdown().await;
    }
    let calls = echo.calls as f64;
    Ok(Measured {
        peer: "warren",
        calls: echo.calls,
        inflight: echo.inflight,
        payload: echo.payload,
        calls_per_s: (calls / wall.as_secs_f64()).round(),
        p50_us: latencies.value_at_quantile(0.5),
        p99_us: latencies.value_at_quantile(0.99),
        p999_us: latencies.value_at_quantile(0.999),
        cpu_us_per_call: (cpu.as_secs_f64() * 1e7 / calls).round() / 10.0,
    })
}

/// What calls.
#[derive(Clone)]
struct Load {
    client: Client,
    options: CallOptions,
    inflight: usize,
    request: Blob,
}

impl Load {
    /// Makes the calls, in a task as callers have it; how long each took, in microseconds.
    async fn pass<M>(self, calls: u64) -> Result<Histogram<u64>, Failure>
    where
        M: Method<Request = Blob, Reply = Blob>,
    {
        let calling = tokio::spawn(async move {
            let mut latencies = Histogram::new_with_max(LATENCY_MAX_US, 3).map_err(|error| error.to_string())?;
            let mut answers = stream::iter(0..calls).map(|_| self.call::<M>()).buffer_unordered(self.inflight);
            while let Some(took) = answers.next().await {
                let took = took.map_err(|error| error.to_string())?;
                latencies.saturating_record(u64::try_from(took.as_micros()).unwrap_or(LATENCY_MAX_US));
            }
            Ok::<_, String>(latencies)
        });
        calling.await.map_err(|error| error.to_string()).flatten().map_err(Failure::internal)
    }

    async fn call<M>(&self) -> Result<Duration, CallError>
    where
        M: Method<Request = Blob, Reply = Blob>,
    {
        let begun = Instant::now();
        let reply = self.client.call_with::<M>(&self.request, self.options.clone()).await?;
        if reply.len() == self.request.len() {
            Ok(begun.elapsed())
        } else {
            Err(Status::internal("an echo of another length").into())
        }
    }
}

/// User and system time of this process so far.
fn cpu_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Duration::ZERO };
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}
