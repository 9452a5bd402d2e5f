//! The service over a broker, with a stand-in for grading's store of packages.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    sync::Arc,
    time::Duration,
};

use warren_host::digest::sha256_hex;
use warren_proto::{
    grading::{Language, Verdict},
    problems::{Fetch, FetchReply, FetchRequest},
    runner::{Judge, JudgeRequest},
};
use warren_rpc::{CallError, CallOptions, Client, ClientOptions, Code, Context, ServeOptions, Service, Status};
use warren_runner::{Options, sandbox::SandboxOptions, service};

use super::harness::{PATIENCE, eventually, marked, sandbox_options, zip_of};

/// SHA-256 of nothing: an identity for a package that nobody has.
const NOBODYS: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

async fn fetch(package: Arc<Vec<u8>>, _: Context, request: FetchRequest) -> Result<FetchReply, Status> {
    if request.package_sha256 == NOBODYS {
        return Err(Status::not_found("no such package"));
    }
    let rest = &package[usize::try_from(request.offset_bytes).unwrap()..];
    Ok(FetchReply { chunk: rest.to_vec().into(), package_bytes: package.len() as u64 })
}

fn request(package_sha256: &str, source: &str) -> JudgeRequest {
    JudgeRequest {
        attempt: "attempt-1".to_owned(),
        problem: "sum".to_owned(),
        package_sha256: package_sha256.to_owned(),
        language: Language::Python,
        source: source.to_owned(),
    }
}

#[tokio::test]
async fn a_submission_is_judged_by_whoever_takes_it() {
    let Some(broker) = warren_testing::broker("runner").await else { return };
    let client = Client::connect(&broker.url, ClientOptions::default()).await.unwrap();
    let patient = r#"{"Limits": {"TimeLimit": "20s"}}"#;
    let package = Arc::new(zip_of(&[("cases/1.in", "2 3"), ("cases/1.out", "5"), ("settings.json", patient)]));
    let problems = Service::new("problems", "1.0.0", Arc::clone(&package)).method::<Fetch, _, _>(fetch);
    let _problems = problems.serve(&client, ServeOptions::default()).await.unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    // The boxes too, so that their path marks what runs in them.
    fs::set_permissions(data_dir.path(), Permissions::from_mode(0o755)).unwrap();
    let sandbox = SandboxOptions { scratch: data_dir.path().to_owned(), ..sandbox_options() };
    let runner = service(data_dir.path(), Options { sandbox }).await.unwrap();
    let _runner = runner.serve(&client, ServeOptions::default()).await.unwrap();

    let within = |deadline| CallOptions { deadline, ..CallOptions::default() };
    let digest = sha256_hex(&package);
    let right = request(&digest, "print(sum(map(int, input().split())))");
    let reply = client.call_with::<Judge>(&right, within(PATIENCE)).await.unwrap();
    assert_eq!((reply.attempt.as_str(), reply.judgement.verdict), ("attempt-1", Verdict::Ac));
    assert!(reply.judgement.judged_by.starts_with("runner-"));
    assert!(data_dir.path().join(format!("packages/{digest}.zip")).exists());

    let unknown = client.call_with::<Judge>(&request(NOBODYS, ""), within(PATIENCE)).await.unwrap_err();
    assert!(matches!(&unknown, CallError::Status(status) if status.code == Code::NotFound), "{unknown}");

    // Nobody waits any more: what runs is killed at the deadline, and the runner is free again.
    let sleeper = request(&digest, "import time; time.sleep(1000)");
    let boxes = data_dir.path().display().to_string();
    let short = within(Duration::from_secs(3));
    let (late, ()) = tokio::join!(
        client.call_with::<Judge>(&sleeper, short),
        eventually("it runs", async || !marked(&boxes, Some("/usr/bin/bwrap")).is_empty()),
    );
    let late = late.unwrap_err();
    assert!(matches!(&late, CallError::Status(status) if status.code == Code::DeadlineExceeded), "{late}");
    eventually("nothing of it runs", async || marked(&boxes, None).is_empty()).await;
    let again = client.call_with::<Judge>(&right, within(PATIENCE)).await.unwrap();
    assert_eq!(again.judgement.verdict, Verdict::Ac);
}
