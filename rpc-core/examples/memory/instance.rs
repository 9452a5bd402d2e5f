//! The instance, in a process of its own, and how the caller talks to it: by lines.
//!
//! It says `serving` once it serves, and `holding` each time that it has a whole burst of held requests; a line to it
//! lets it answer them. It ends with its standard input.

use std::{
    error::Error,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, stdin},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::watch,
};
use warren_rpc::{Client, ClientOptions, Context, MethodOptions, ServeOptions, Service, Status};

use crate::methods::{Echo, Held};

const ECHO_PREFETCH: u16 = 256;

/// Where requests are held.
struct Gate {
    held: AtomicUsize,
    /// Held requests in a burst.
    burst_calls: usize,
    /// How many bursts may be answered.
    opened: watch::Sender<usize>,
}

async fn echo(_: Arc<Gate>, _: Context, text: String) -> Result<String, Status> {
    Ok(text)
}

async fn hold(gate: Arc<Gate>, _: Context, (burst, text): (usize, String)) -> Result<String, Status> {
    let mut opened = gate.opened.subscribe();
    if (gate.held.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(gate.burst_calls) {
        println!("holding");
    }
    opened.wait_for(|opened| *opened > burst).await.map_err(|_| Status::internal("the gate is gone"))?;
    Ok(text)
}

/// The instance's process.
pub(crate) async fn serve(url: &str, burst_calls: usize) -> Result<(), Box<dyn Error>> {
    let client = Client::connect(url, ClientOptions::default()).await?;
    let gate = Arc::new(Gate { held: AtomicUsize::new(0), burst_calls, opened: watch::Sender::new(0) });
    let held_prefetch = u16::try_from(burst_calls).unwrap_or(u16::MAX);
    let running = Service::new("memory", "1.0.0", Arc::clone(&gate))
        .method_with::<Echo, _, _>(MethodOptions { prefetch: Some(ECHO_PREFETCH) }, echo)
        .method_with::<Held, _, _>(MethodOptions { prefetch: Some(held_prefetch) }, hold)
        .serve(&client, ServeOptions::default())
        .await?;
    println!("serving");
    let mut lines = BufReader::new(stdin()).lines();
    while lines.next_line().await?.is_some() {
        gate.opened.send_modify(|opened| *opened += 1);
    }
    running.shutdown().await;
    client.close().await;
    Ok(())
}

/// That process, as the caller sees it. It is killed when this is dropped.
pub(crate) struct Instance {
    process: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Instance {
    /// Starts it, and waits until it serves.
    pub(crate) async fn start(url: &str, burst_calls: usize) -> Result<Instance, Box<dyn Error>> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", url, &burst_calls.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (input, output) = process.stdin.take().zip(process.stdout.take()).ok_or("both are piped")?;
        let mut instance = Instance { process, input, lines: BufReader::new(output).lines() };
        instance.says("serving").await?;
        Ok(instance)
    }

    /// Waits until it has said this.
    pub(crate) async fn says(&mut self, what: &str) -> Result<(), Box<dyn Error>> {
        match self.lines.next_line().await? {
            Some(line) if line == what => Ok(()),
            said => Err(format!("the instance said {said:?}, not {what}").into()),
        }
    }

    /// Lets it answer a burst.
    pub(crate) async fn answer(&mut self) -> Result<(), Box<dyn Error>> {
        Ok(self.input.write_all(b"\n").await?)
    }

    /// Ends it in order.
    pub(crate) async fn end(mut self) -> Result<(), Box<dyn Error>> {
        drop(self.input);
        self.process.wait().await?;
        Ok(())
    }
}
