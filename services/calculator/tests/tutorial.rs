//! The tutorial's own Python client, unchanged, against the service. It connects to localhost:5672, whatever else may
//! run there: so the test runs itself again in a network namespace, where nothing does.
#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use warren_proto::calculator::{
    Busca, Info, InfoRequest, InfoServico, Lookup, LookupRequest, Mean, Media, Number, Person, Soma, Sum, SumRequest,
};
use warren_rpc::{CallError, Client, ClientOptions, Code, Method, ServeOptions};
use warren_testing::{OwnOptions, own_broker};

/// Set for the run inside the namespace.
const INSIDE: &str = "WARREN_TUTORIAL_INSIDE";

/// A Python with pika, as `cargo xtask test` sets it.
const PYTHON: &str = "WARREN_PYTHON";

#[test]
fn the_tutorials_client_gets_the_tutorials_answers() {
    if std::env::var_os(INSIDE).is_some() {
        return tokio::runtime::Runtime::new().unwrap().block_on(answer_the_tutorial());
    }
    if let Some(reason) = what_is_missing() {
        return warren_debian::skip_test(&reason);
    }
    let output = in_a_namespace(&std::env::current_exe().unwrap())
        .args(["--exact", "the_tutorials_client_gets_the_tutorials_answers", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let (printed, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && printed.contains("1 passed"), "{}\n{printed}\n{told}", output.status);
}

fn what_is_missing() -> Option<String> {
    let succeeds = |command: &mut Command| {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    };
    if !succeeds(Command::new(python()).args(["-c", "import pika"])) {
        Some(format!("{} has no pika; {PYTHON} can name another", python()))
    } else if !succeeds(in_a_namespace(Path::new("ip")).args(["link", "set", "lo", "up"])) {
        Some("no network namespace can be made, or iproute2 is not installed".to_owned())
    } else {
        None
    }
}

fn python() -> String {
    std::env::var(PYTHON).unwrap_or_else(|_| "python3".to_owned())
}

/// A command with a network of its own, which ends with this process.
fn in_a_namespace(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    if !nix::unistd::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["--net", "setpriv", "--pdeathsig", "KILL", "--"]).arg(program);
    command
}

async fn answer_the_tutorial() {
    let loopback = Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
    assert!(loopback.success());
    let options = OwnOptions { port: Some(5672), ..OwnOptions::default() };
    let Some(broker) = own_broker(options).await else { return };
    let client = Client::connect(&broker.url, ClientOptions::default()).await.unwrap();
    let running = warren_calculator::service().serve(&client, ServeOptions::default()).await.unwrap();

    let answers = ask_in_python().await;
    let [sum, mean, person, system, refused] = answers.lines().collect::<Vec<_>>()[..] else { panic!("{answers}") };
    assert_eq!((sum, mean), ("15", "25.0"));
    let json = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(json(person), serde_json::json!({"idade": 22, "cidade": "São Paulo"}));
    let system = json(system);
    assert_eq!(system["so"], "Linux");
    assert!(system["versao"].as_str().is_some_and(|release| !release.is_empty()), "{system}");

    let refused = json(refused);
    assert_eq!(
        (&refused["code"], &refused["details"]["bad_fields"][0]["field"]),
        (&json("\"invalid_argument\""), &json("\"a\""))
    );

    running.shutdown().await;
    client.close().await;
}

async fn ask_in_python() -> String {
    let mut python = tokio::process::Command::new(python());
    python.arg("ask.py").current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tutorial"));
    python.env("PYTHONDONTWRITEBYTECODE", "1").kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(60), python.output()).await.expect("it ends").unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn each_method_answers_under_both_of_its_names() {
    let Some(broker) = warren_testing::broker("calculator").await else { return };
    let client = Client::connect(&broker.url, ClientOptions::default()).await.unwrap();
    let _running = warren_calculator::service().serve(&client, ServeOptions::default()).await.unwrap();

    let numbers = SumRequest { a: Number::Integer(10), b: Number::Float(0.5) };
    assert_eq!(answers::<Sum>(&client, &numbers).await, Number::Float(10.5));
    assert_eq!(answers::<Soma>(&client, &numbers).await, Number::Float(10.5));
    assert_eq!(answers::<Mean>(&client, &vec![1.0, 2.0]).await, 1.5);
    assert_eq!(answers::<Media>(&client, &vec![1.0, 2.0]).await, 1.5);
    let name = LookupRequest { nome: "Maria".to_owned() };
    let maria = Person { idade: 30, cidade: "Rio de Janeiro".to_owned() };
    assert_eq!(answers::<Lookup>(&client, &name).await, maria);
    assert_eq!(answers::<Busca>(&client, &name).await, maria);
    assert_eq!(answers::<Info>(&client, &InfoRequest {}).await, answers::<InfoServico>(&client, &InfoRequest {}).await);

    let Err(CallError::Status(status)) = client.call::<Lookup>(&LookupRequest { nome: "ana".to_owned() }).await else {
        panic!("nobody is called so")
    };
    assert_eq!((status.code, status.message.starts_with("nome: ")), (Code::NotFound, true), "{status}");
    let Err(CallError::Status(status)) = client.call::<Mean>(&vec![]).await else { panic!("there is no such mean") };
    assert_eq!(status.code, Code::InvalidArgument);
}

async fn answers<M: Method>(client: &Client, request: &M::Request) -> M::Reply {
    client.call::<M>(request).await.unwrap()
}
