//! lapin and amqprs: the tests and examples in their own crates, as they come from the registry. They are compiled in a
//! package of their own in the target directory, with the versions of the workspace's lock file and of
//! `rust/manifest.toml`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use tokio::sync::OnceCell;
use warren_testing::eventually;

use crate::stage::{Stage, folder, on_both, run, scratch, succeed};

on_both!(lapins_own_tests, amqprss_own_tests);

/// It needs a certificate.
const LEFT_OUT: &str = "client-certificate";

/// The package, compiled once for all tests of this process.
async fn package() -> &'static Path {
    static PACKAGE: OnceCell<PathBuf> = OnceCell::const_new();
    PACKAGE.get_or_init(make_package).await
}

async fn make_package() -> PathBuf {
    let package = scratch("foreign-clients");
    let manifest = fs::read_to_string(folder("rust").join("manifest.toml")).unwrap();
    take_lock_file(&package, &manifest);
    put(&package.join("lib.rs"), "");
    let mut metadata = cargo(&package, "metadata");
    let metadata = metadata.args(["--format-version", "1"]).output().await.unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let mut targets = String::new();
    for (client, kind) in [("lapin", "test"), ("lapin", "example"), ("amqprs", "test")] {
        let from = source(&metadata, client).join(format!("{kind}s"));
        targets += &copy_targets(&from, &package, client, kind);
    }
    put(&package.join("Cargo.toml"), &(manifest + &targets));
    succeed(cargo(&package, "test").args(["--locked", "--no-run"])).await;
    package
}

/// Writes a file, unless it is so already: what is not touched is not compiled again.
fn put(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return;
    }
    fs::write(path, text).unwrap();
}

/// Begins with the workspace's lock file. What it lacks is resolved once, and kept: later runs need no network.
fn take_lock_file(package: &Path, manifest: &str) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("Cargo.lock");
    let begun = manifest.to_owned() + &fs::read_to_string(workspace).unwrap();
    let kept = package.join("begun-with.txt");
    if fs::read_to_string(&kept).is_ok_and(|text| text == begun) && package.join("Cargo.lock").exists() {
        return;
    }
    fs::write(package.join("Cargo.lock"), &begun[manifest.len()..]).unwrap();
    put(&package.join("Cargo.toml"), manifest);
    fs::write(kept, begun).unwrap();
}

fn cargo(package: &Path, command: &str) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.arg(command).current_dir(package).kill_on_drop(true);
    // Not into the build that this test is a part of.
    cargo.env("CARGO_TARGET_DIR", package.join("target")).env_remove("CARGO_BUILD_TARGET_DIR");
    cargo
}

/// Where cargo has unpacked a crate.
fn source(metadata: &serde_json::Value, name: &str) -> PathBuf {
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == name).unwrap();
    Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

/// Copies a client's tests or examples. Returns what the manifest says of them.
fn copy_targets(from: &Path, package: &Path, client: &str, kind: &str) -> String {
    let to = package.join(client).join(kind);
    fs::create_dir_all(&to).unwrap();
    let mut targets = String::new();
    let mut entries: Vec<_> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap()).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy_shared(&entry.path(), &to.join(name));
        } else if let Some(stem) = name.strip_suffix(".rs").filter(|stem| *stem != LEFT_OUT) {
            // amqprs's tests log in as `user`, and say so in their messages.
            let text = fs::read_to_string(entry.path()).unwrap();
            put(&to.join(&name), &text.replace(r#"with_user_id("user")"#, r#"with_user_id("guest")"#));
            let target = format!("{client}-{}", stem.trim_start_matches("test_"));
            targets += &format!("\n[[{kind}]]\nname = \"{target}\"\npath = \"{client}/{kind}/{name}\"\n");
        }
    }
    targets
}

/// What tests share. amqprs's knows one address only: ours is put into its place.
fn copy_shared(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let text = fs::read_to_string(entry.path()).unwrap();
        let fixed = r#"OpenConnectionArguments::new("localhost", 5672, "user", "bitnami")"#;
        assert!(text.contains(fixed), "amqprs's tests connect elsewhere now");
        let given = r#"OpenConnectionArguments::try_from(std::env::var("AMQP_ADDR").unwrap().as_str()).unwrap()"#;
        put(&to.join(entry.file_name()), &text.replace(fixed, given));
    }
}

/// Runs the tests of a client. Returns how many passed; all must.
async fn pass(url: &str, pattern: &str, options: &[&str]) -> usize {
    let mut tests = cargo(package().await, "test");
    tests.args(["--locked", "--no-fail-fast", "--test", pattern, "--"]).args(options).env("AMQP_ADDR", url);
    passed(&succeed(&mut tests).await)
}

fn passed(printed: &str) -> usize {
    let counts = printed.lines().filter_map(|line| line.strip_prefix("test result: ok. ")?.split(' ').next());
    counts.map(|count| count.parse::<usize>().unwrap()).sum()
}

async fn lapins_own_tests(stage: &Stage) {
    let passed = pass(&stage.url, "lapin-[!a]*", &[]).await + acks_race_a_close(stage).await;
    assert!(passed >= 17, "only {passed} tests of lapin ran");
}

/// Two of lapin's tests start a race between acks and a close, and fail if the acks were over first: they are run again
/// then, and only then.
async fn acks_race_a_close(stage: &Stage) -> usize {
    for _ in 0..20 {
        let mut tests = cargo(package().await, "test");
        let (succeeded, printed) =
            run(tests.args(["--locked", "--test", "lapin-ack_after_close"]).env("AMQP_ADDR", &stage.url)).await;
        if succeeded {
            return passed(&printed);
        }
        let panics = printed.matches("panicked at").count();
        let lost_races = printed.matches("the close never cut into the acks").count();
        assert_eq!(panics, lost_races, "{printed}");
    }
    panic!("the acks are always over before the close");
}

/// amqprs reads a vhost as it is, without its escapes; with none it means `/`.
fn amqprss_url(stage: &Stage) -> &str {
    stage.url.trim_end_matches("/%2f")
}

async fn amqprss_own_tests(stage: &Stage) {
    let passed = pass(amqprss_url(stage), "amqprs-*", &["--skip", "heartbeat"]).await;
    assert!(passed >= 14, "only {passed} tests of amqprs ran");
}

#[tokio::test]
#[ignore = "long: it waits for 45 seconds"]
async fn amqprs_sends_heartbeats() {
    let passed = pass(amqprss_url(&Stage::embedded().await), "amqprs-heartbeat", &[]).await;
    assert_eq!(passed, 1);
}

/// The examples that go on until they are stopped: they connect, and those that say so connect again.
/// `reconnect_semi_automatic` is not among them: when it is cut while it publishes, lapin's recovery does not come to a
/// new connection.
#[tokio::test]
async fn lapins_examples_run_and_reconnect() {
    for (example, reconnects) in [("consumer", false), ("pubsub", false), ("reconnect_manual", true)] {
        let stage = Stage::embedded().await;
        let broker = stage.broker.as_ref().unwrap();
        let program = package().await.join("target/debug/examples").join(format!("lapin-{example}"));
        let log = scratch("foreign-clients").join(format!("{example}.log"));
        let mut command = Command::new(program);
        command.env("AMQP_ADDR", &stage.url).stdout(fs::File::create(&log).unwrap()).stderr(Stdio::null());
        let mut running = command.kill_on_drop(true).spawn().unwrap();
        let connected = || fs::read_to_string(&log).unwrap().matches("CONNECTED").count();
        eventually(example, async || connected() == 1 && broker.connections().len() == 1).await;
        if reconnects {
            let first = broker.connections()[0].id;
            broker.cut_all().await;
            eventually(example, async || broker.connections().first().is_some_and(|now| now.id != first)).await;
        }
        running.kill().await.unwrap();
        eventually("its end", async || broker.connections().is_empty()).await;
    }
}
