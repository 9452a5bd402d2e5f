//! A broker of either kind for a program of another process, and running that program.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use warren_broker::{Broker, Options};

/// Longer than anything here takes on a busy machine, and a cold build takes the longest.
const PATIENCE: Duration = Duration::from_secs(900);

/// What a program is pointed at.
pub(crate) struct Stage {
    pub(crate) url: String,
    /// `None`: RabbitMQ.
    pub(crate) broker: Option<Broker>,
}

impl Stage {
    pub(crate) async fn embedded() -> Stage {
        let broker = Broker::start(Options::default()).await.unwrap();
        Stage { url: broker.url(), broker: Some(broker) }
    }

    /// A vhost of a RabbitMQ, or `None` where there is none: the test is skipped then.
    pub(crate) async fn rabbitmq(name: &str) -> Option<Stage> {
        let node = warren_rabbitmq::testing::node_or_skip().await?;
        let url = node.vhost(name).await.expect("a vhost can be made");
        Some(Stage { url, broker: None })
    }
}

/// Two tests of each program: on the embedded broker, and on RabbitMQ.
macro_rules! on_both {
    ($($program:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test]
            async fn $program() {
                super::$program(&crate::stage::Stage::embedded().await).await;
            })*
        }
        mod rabbitmq {
            $(#[tokio::test]
            async fn $program() {
                let Some(stage) = crate::stage::Stage::rabbitmq(stringify!($program)).await else { return };
                super::$program(&stage).await;
            })*
        }
    };
}
pub(crate) use on_both;

/// A directory of this test's own under the target directory.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// The folder of `tests/clients` with that name.
pub(crate) fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Runs a command to its end. Says whether it succeeded, and all that it printed.
pub(crate) async fn run(command: &mut Command) -> (bool, String) {
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, running).await.unwrap_or_else(|_| panic!("{command:?} does not end"));
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let printed = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&printed).into_owned())
}

/// Runs a command that must succeed.
pub(crate) async fn succeed(command: &mut Command) -> String {
    let (succeeded, printed) = run(command).await;
    assert!(succeeded, "{command:?}\n{printed}");
    printed
}
