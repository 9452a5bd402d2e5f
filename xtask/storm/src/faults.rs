//! What happens to everything around the calls.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use fastrand::Rng;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::target::Target;

/// Longest pause between two faults, ms.
const PAUSE_MS: u64 = 1_500;

/// How often each was made.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub(crate) struct Made {
    pub(crate) instances_killed: u32,
    pub(crate) connections_cut: u32,
    pub(crate) broker_restarted: u32,
    pub(crate) broker_killed: u32,
}

/// The processes that serve.
pub(crate) struct Instances {
    url: String,
    store: PathBuf,
    children: Vec<Child>,
}

impl Instances {
    pub(crate) fn start(count: usize, url: &str, store: &Path) -> anyhow::Result<Instances> {
        let mut instances = Instances { url: url.to_owned(), store: store.to_owned(), children: Vec::new() };
        for _ in 0..count {
            let child = instances.spawn()?;
            instances.children.push(child);
        }
        Ok(instances)
    }

    fn spawn(&self) -> anyhow::Result<Child> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("instance").arg(&self.url).arg(&self.store).stdin(Stdio::piped()).kill_on_drop(true);
        Ok(command.spawn()?)
    }

    /// Kills one as `kill -9` does, and starts another.
    async fn kill_one(&mut self, random: &mut Rng) -> anyhow::Result<()> {
        let index = random.usize(..self.children.len());
        self.children[index].kill().await?;
        self.children[index] = self.spawn()?;
        Ok(())
    }
}

/// Makes faults until the time is over: the kinds and the pauses are drawn from the seed.
pub(crate) async fn make(
    seed: u64,
    until: Instant,
    target: &mut Target,
    instances: &mut Instances,
) -> anyhow::Result<Made> {
    let (mut random, mut made) = (Rng::with_seed(seed), Made::default());
    loop {
        sleep(Duration::from_millis(random.u64(100..PAUSE_MS))).await;
        let kind = random.u8(..100);
        if Instant::now() >= until {
            return Ok(made);
        }
        match kind {
            0..65 => {
                instances.kill_one(&mut random).await?;
                made.instances_killed += 1;
            }
            65..85 => {
                target.cut().await?;
                made.connections_cut += 1;
            }
            85..93 => {
                target.restart().await?;
                made.broker_restarted += 1;
            }
            _ => {
                target.kill().await?;
                made.broker_killed += 1;
            }
        }
    }
}
