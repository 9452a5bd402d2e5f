//! A program that is killed, or ends itself: this test's own, started again with a role in its environment. It ends by
//! itself when its standard input does, so with whoever started it.

use std::{
    io::Read,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};
use warren_host::replies::{ReplyTransaction, SqliteReplies};
use warren_rpc::{Begun, CallKey, Committed, ReplyStore, ServeOptions, StoreError, StoredAnswer};

use super::harness::{POISON, Work, called, client, open, service, soon};

const ROLE: &str = "WARREN_TEST_VICTIM";
const URL: &str = "WARREN_TEST_VICTIM_URL";
const STORE: &str = "WARREN_TEST_VICTIM_STORE";

/// What a victim does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// Serves, and ends itself on [`POISON`], when those that came with it have begun.
    Serve,
    /// Serves, and ends itself when it has committed an effect, before the reply.
    EndAfterEffect,
    /// Calls a method, and waits.
    Call,
}

/// A victim that runs. It is killed when this is dropped.
pub(crate) struct Victim {
    child: Child,
    /// Where its replies go.
    pub(crate) callback_queue: String,
    lines: Lines<BufReader<ChildStdout>>,
    _input: ChildStdin,
}

impl Victim {
    /// Starts one; it serves, or calls, when this returns.
    pub(crate) async fn start(role: Role, url: &str, store: &Path) -> Victim {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "faults::victim::program", "--nocapture"])
            .envs([(ROLE, format!("{role:?}").as_str()), (URL, url), (STORE, store.to_str().unwrap())])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (input, callback_queue) = (child.stdin.take().unwrap(), String::new());
        let mut victim = Victim { child, callback_queue, lines, _input: input };
        victim.callback_queue = soon("the victim is ready", async {
            loop {
                let line = victim.lines.next_line().await.unwrap().expect("it says that it is ready");
                if let Some(queue) = line.strip_prefix("ready ") {
                    break queue.to_owned();
                }
            }
        })
        .await;
        victim
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it was not waited for")
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        soon("the victim ends", self.child.wait()).await.unwrap()
    }

    /// Kills it as `kill -9` does.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// Not a test: the program that is killed.
#[tokio::test(flavor = "multi_thread")]
async fn program() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (url, store) = (std::env::var(URL).unwrap(), std::env::var(STORE).unwrap());
    let client = client(&url).await;
    // A line of its own: the test's harness has begun one.
    let line = format!("\nready {}", client.callback_queue().unwrap());
    let ready = || println!("{line}");
    if role == format!("{:?}", Role::Call) {
        let calling = tokio::spawn(async move { client.call_with::<Work>(&1, called("the victim's")).await });
        ready();
        until_told().await;
        return calling.abort();
    }
    let (_, replies) = open(store.as_ref()).await;
    let _running = if role == format!("{:?}", Role::EndAfterEffect) {
        let store = Arc::new(EndAfterCommit(replies));
        service(store, |_| async {}).serve(&client, ServeOptions::default()).await.unwrap()
    } else {
        service(Arc::new(replies), end_on_poison).serve(&client, ServeOptions::default()).await.unwrap()
    };
    ready();
    until_told().await;
}

/// Waits for the end of standard input.
async fn until_told() {
    tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await.unwrap().unwrap();
}

/// Neighbours of a poisonous request are still at work when it ends the process.
async fn end_on_poison(number: u32) {
    if number == POISON {
        tokio::time::sleep(Duration::from_millis(100)).await;
        std::process::abort();
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
}

/// A store that ends the process as soon as something is committed.
struct EndAfterCommit(SqliteReplies);

impl ReplyStore for EndAfterCommit {
    type Transaction = ReplyTransaction;

    async fn begin(&self, call: &CallKey) -> Result<Begun<ReplyTransaction>, StoreError> {
        self.0.begin(call).await
    }

    async fn commit(
        &self,
        call: &CallKey,
        transaction: Option<ReplyTransaction>,
        answer: StoredAnswer,
    ) -> Result<Committed, StoreError> {
        self.0.commit(call, transaction, answer).await?;
        std::process::abort()
    }

    async fn abandon(&self, call: &CallKey) -> Result<(), StoreError> {
        self.0.abandon(call).await
    }
}
