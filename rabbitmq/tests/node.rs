//! Nodes, for real.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use warren_rabbitmq::testing::{node_or_skip, skip_without_rabbitmq};
use warren_rabbitmq::{ControlError, Flavour, Node, NodeOptions, StartError, shared, trixie};

async fn connect(url: &str) -> Connection {
    Connection::connect(url, ConnectionProperties::default()).await.unwrap()
}

async fn publish_durably(url: &str, queue: &str) {
    let connection = connect(url).await;
    let channel = connection.create_channel().await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue.into(), durable, FieldTable::default()).await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let properties = BasicProperties::default().with_delivery_mode(2);
    let confirm =
        channel.basic_publish("".into(), queue.into(), BasicPublishOptions::default(), b"kept", properties).await;
    assert!(confirm.unwrap().await.unwrap().is_ack());
}

async fn holds_the_message(url: &str, queue: &str) -> bool {
    let connection = connect(url).await;
    let channel = connection.create_channel().await.unwrap();
    let message = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap();
    message.is_some_and(|message| message.delivery.data == b"kept")
}

/// The processes whose environment names `directory`: the node, and whatever it started.
fn processes_of(directory: &Path) -> Vec<String> {
    let needle = directory.to_str().unwrap().as_bytes();
    let mentions =
        |file: PathBuf| std::fs::read(file).is_ok_and(|text| text.windows(needle.len()).any(|part| part == needle));
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
        .filter(|entry| mentions(entry.path().join("environ")) || mentions(entry.path().join("cmdline")))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Erlang's helper processes notice a moment after the node that it is gone.
fn becomes_true(mut condition: impl FnMut() -> bool) -> bool {
    let give_up_at = Instant::now() + Duration::from_secs(10);
    while !condition() {
        if Instant::now() > give_up_at {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

fn assert_nothing_is_left(directory: &Path) {
    assert!(becomes_true(|| processes_of(directory).is_empty()), "{:?}", processes_of(directory));
    assert!(becomes_true(|| !directory.exists()), "{} is still there", directory.display());
}

#[tokio::test]
async fn a_shared_node_gives_each_test_a_vhost_of_its_own() {
    let Some(node) = node_or_skip().await else { return };
    let (first, second) = (node.vhost("one test").await.unwrap(), node.vhost("one test").await.unwrap());
    assert_ne!(first, second);
    publish_durably(&first, "letters").await;
    assert!(holds_the_message(&first, "letters").await);
    let connection = connect(&second).await;
    let channel = connection.create_channel().await.unwrap();
    assert!(channel.basic_get("letters".into(), BasicGetOptions::default()).await.is_err());
}

#[tokio::test]
async fn rabbitmqctl_answers_and_its_refusals_say_why() {
    let Some(node) = node_or_skip().await else { return };
    assert!(node.ctl(&["list_vhosts"]).await.unwrap().lines().any(|vhost| vhost == "/"));
    let Err(ControlError::Refused { output, .. }) = node.ctl(&["delete_vhost", "no such vhost"]).await else {
        panic!("it was not refused");
    };
    assert!(output.contains("no such vhost"), "{output}");
}

#[tokio::test]
async fn two_nodes_stand_side_by_side_and_can_form_a_cluster() {
    let Some(first) = node_or_skip().await else { return };
    let second = Node::start(NodeOptions { schedulers: Some(1), ..NodeOptions::default() }).await.unwrap();
    assert_ne!(first.port(), second.port());
    connect(&second.url()).await;
    second.ctl(&["stop_app"]).await.unwrap();
    second.ctl(&["join_cluster", first.name()]).await.unwrap();
    second.ctl(&["start_app"]).await.unwrap();
    let status = second.ctl(&["cluster_status", "--formatter", "json"]).await.unwrap();
    assert!(status.contains(first.name()) && status.contains(second.name()), "{status}");
    second.ctl(&["stop_app"]).await.unwrap();
    second.ctl(&["reset"]).await.unwrap();
}

#[tokio::test]
async fn faults_can_be_made_and_a_node_comes_back_with_its_data() {
    if skip_without_rabbitmq() {
        return;
    }
    let node = Node::start(NodeOptions::default()).await.unwrap();
    let url = node.url();
    publish_durably(&url, "before-restart").await;
    assert!(matches!(node.start_again().await, Err(StartError::Running)));

    node.restart().await.unwrap();
    assert_eq!(node.url(), url);
    assert!(holds_the_message(&url, "before-restart").await);

    publish_durably(&url, "before-kill").await;
    // A confirm is of the message. That its queue was declared reaches the disk a moment after RabbitMQ's answer.
    node.ctl(&["eval", "ok = mnesia:sync_log()."]).await.unwrap();
    node.kill().await.unwrap();
    assert!(matches!(node.pause().await, Err(ControlError::NotRunning)));
    node.start_again().await.unwrap();
    assert!(holds_the_message(&url, "before-kill").await);

    node.pause().await.unwrap();
    let silent = tokio::time::timeout(Duration::from_millis(500), connect(&url)).await;
    assert!(silent.is_err(), "a frozen node answered");
    node.resume().await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), connect(&url)).await.unwrap();

    let directory = node.directory().to_owned();
    assert!(!processes_of(&directory).is_empty());
    node.pause().await.unwrap();
    drop(node);
    assert_nothing_is_left(&directory);
}

#[tokio::test]
async fn a_kept_directory_holds_data_for_the_next_node() {
    if skip_without_rabbitmq() {
        return;
    }
    let kept = tempfile::tempdir().unwrap();
    let options = || NodeOptions { directory: Some(kept.path().join("node")), ..NodeOptions::default() };
    let node = Node::start(options()).await.unwrap();
    publish_durably(&node.url(), "kept").await;
    node.stop().await.unwrap();
    drop(node);
    let node = Node::start(options()).await.unwrap();
    assert!(holds_the_message(&node.url(), "kept").await);
}

#[tokio::test]
async fn a_node_that_cannot_start_shows_its_log() {
    if skip_without_rabbitmq() {
        return;
    }
    let options = NodeOptions { configuration: vec!["no_such_setting = 1".to_owned()], ..NodeOptions::default() };
    let error = Node::start(options).await.unwrap_err();
    assert!(matches!(error, StartError::Ended { .. }));
    assert!(error.to_string().contains("no_such_setting"), "{error}");
}

#[test]
fn a_killed_program_leaves_nothing() {
    if skip_without_rabbitmq() {
        return;
    }
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "program_with_a_node", "--nocapture"])
        .env(PROGRAM, "yes")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let said = lines.map(Result::unwrap).find_map(|line| line.strip_prefix("directory ").map(PathBuf::from));
    let directory = said.expect("the program started a node");
    assert!(directory.exists() && !processes_of(&directory).is_empty());
    program.kill().unwrap();
    program.wait().unwrap();
    assert_nothing_is_left(&directory);
}

const PROGRAM: &str = "WARREN_TEST_IS_THE_PROGRAM";

/// Not a test: what `a_killed_program_leaves_nothing` runs and kills.
#[tokio::test]
async fn program_with_a_node() {
    if std::env::var_os(PROGRAM).is_none() {
        return;
    }
    let node = shared().await.unwrap();
    println!("\ndirectory {}", node.directory().display());
    let _ = std::io::stdin().read(&mut [0]);
}

#[tokio::test]
#[ignore = "long: needs root and RabbitMQ 4 (`cargo xtask test --long` installs it)"]
async fn rabbitmq_4_runs_from_its_own_root_and_leaves_nothing() {
    if !trixie::is_installed(&trixie::root().unwrap()) {
        return warren_debian::skip_test("RabbitMQ 4 is not installed");
    }
    let node = Node::start(NodeOptions { flavour: Flavour::Trixie, ..NodeOptions::default() }).await.unwrap();
    assert!(node.ctl(&["version"]).await.unwrap().starts_with("4."));
    let url = node.vhost("four").await.unwrap();
    publish_durably(&url, "letters").await;
    node.restart().await.unwrap();
    assert!(holds_the_message(&url, "letters").await);
    let directory = node.directory().to_owned();
    drop(node);
    assert_nothing_is_left(&directory);
}
