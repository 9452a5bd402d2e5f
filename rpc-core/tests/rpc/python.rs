//! Clients that are written in Python, with pika and with aio-pika, against a Warren service. The programs assert; here
//! is only what they run against.

use std::{path::Path, process::Stdio};

use tokio::process::Command;
use warren_rpc::{ServeOptions, Service};

use super::harness::{PATIENCE, Sum, SumRequest, broker, client, stateless};

/// A Python with both, as `cargo xtask test` sets it.
const PYTHON: &str = "WARREN_PYTHON";

async fn run(program: &mut Command) -> (bool, String) {
    let output = program.stdin(Stdio::null()).env("PYTHONDONTWRITEBYTECODE", "1").kill_on_drop(true).output();
    let output = tokio::time::timeout(2 * PATIENCE, output).await.expect("the program ends").unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

async fn the_scenarios_pass(name: &str, scenarios: usize) {
    let python = std::env::var(PYTHON).unwrap_or_else(|_| "python3".to_owned());
    if !run(Command::new(&python).args(["-c", "import pika, aio_pika"])).await.0 {
        return warren_debian::skip_test(&format!("{python} has no pika and aio-pika; {PYTHON} can name another"));
    }
    let Some(broker) = broker(name).await else { return };
    let server = client(&broker.url).await;
    let service = Service::new("test", "1.0.0", stateless())
        .method::<Sum, _, _>(|_, _, SumRequest { a, b }: SumRequest| async move { Ok(a + b) });
    let running = service.serve(&server, ServeOptions { prefetch: 16, ..ServeOptions::default() }).await.unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rpc/python").join(format!("{name}.py"));
    let (succeeded, printed) = run(Command::new(python).arg(program).arg(&broker.url)).await;
    assert!(succeeded, "{printed}");
    assert_eq!(printed.matches("passed").count(), scenarios, "{printed}");
    running.shutdown().await;
}

#[tokio::test]
async fn pikas_calls_are_answered_and_what_is_wrong_is_told_in_json() {
    the_scenarios_pass("pika_rpc", 4).await;
}

#[tokio::test]
async fn aio_pikas_concurrent_calls_are_answered_and_what_is_wrong_is_told_in_json() {
    the_scenarios_pass("aio_pika_rpc", 5).await;
}
