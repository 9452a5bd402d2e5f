//! The service on a real broker, with a runner that only pretends.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::timeout};
use warren_package::zip_folder;
use warren_proto::{
    Decimal,
    grading::{
        Get, Judged, Judgement, Language, Submission, SubmissionRequest, Submit, SubmitRequest, Submitted, Verdict,
        Wait,
    },
    problems::{self, Fetch, FetchRequest, PutRequest},
    runner::{Judge, JudgeReply, JudgeRequest},
};
use warren_rpc::{
    CallError, CallOptions, Client, ClientOptions, Code, Context, Running, ServeOptions, Service, Status,
};

/// Longer than anything here takes, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

type Told = mpsc::UnboundedSender<(&'static str, Submission)>;

/// Fetches the package, as a runner does, and takes every program for right.
async fn judge(_: Arc<()>, context: Context, request: JudgeRequest) -> Result<JudgeReply, Status> {
    let fetch = FetchRequest { package_sha256: request.package_sha256, offset_bytes: 0 };
    let fetched = context.client().call::<Fetch>(&fetch).await.map_err(|error| Status::internal(error.to_string()))?;
    assert_eq!(fetched.chunk.len() as u64, fetched.package_bytes);
    let judgement = Judgement {
        verdict: Verdict::Ac,
        score: Decimal::one(),
        time_ms: 1,
        memory_bytes: 1 << 20,
        message: None,
        judged_by: context.instance().to_owned(),
        groups: Vec::new(),
    };
    Ok(JudgeReply { attempt: request.attempt, judgement })
}

async fn client(url: &str) -> Client {
    Client::connect(url, ClientOptions::default()).await.unwrap()
}

async fn serve_runner(client: &Client) -> Running {
    let runner = Service::new("runner", "1.0.0", Arc::new(())).method::<Judge, _, _>(judge);
    runner.serve(client, ServeOptions::default()).await.unwrap()
}

/// Passes grading's events on to the test.
async fn serve_listener(client: &Client, told: Told) -> Running {
    let listener = Service::new("listener", "1.0.0", Arc::new(told))
        .on::<Submitted, _, _>(|told: Arc<Told>, _, body| async move {
            let _ = told.send(("submitted", body));
            Ok(())
        })
        .on::<Judged, _, _>(|told: Arc<Told>, _, body| async move {
            let _ = told.send(("judged", body));
            Ok(())
        });
    listener.serve(client, ServeOptions::default()).await.unwrap()
}

fn submission() -> SubmitRequest {
    SubmitRequest {
        problem: "sum".to_owned(),
        language: Language::Python,
        source: "print(5)".to_owned(),
        contest: Some("burrow".to_owned()),
        contestant: Some("nino".to_owned()),
        submitted_at_ms: Some(1_700_000_000_000),
    }
}

fn options(call_id: &str) -> CallOptions {
    CallOptions { deadline: PATIENCE, call_id: Some(call_id.to_owned()), ..CallOptions::default() }
}

async fn put_sum(client: &Client) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/contest/problems/sum");
    let package = zip_folder(&folder).unwrap().into();
    client.call::<problems::Put>(&PutRequest { problem: "sum".to_owned(), package }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_waits_for_a_runner_and_is_judged_and_told_once() {
    let Some(broker) = warren_testing::broker("grading").await else { return };
    let (client, folder) = (client(&broker.url).await, tempfile::tempdir().unwrap());
    let (told, mut events) = mpsc::unbounded_channel();
    let listener = serve_listener(&client, told).await;
    let service = warren_grading::service(folder.path()).await.unwrap();
    let grading = service.serve(&client, ServeOptions::default()).await.unwrap();
    let also_grading = service.serve(&client, ServeOptions::default()).await.unwrap();
    put_sum(&client).await;

    let first = client.call_with::<Submit>(&submission(), options("one")).await.unwrap();
    let again = client.call_with::<Submit>(&submission(), options("one")).await.unwrap();
    assert_eq!(first.submission, again.submission);
    let asked = SubmissionRequest { submission: first.submission };
    assert_eq!(client.call::<Get>(&asked).await.unwrap().judgement, None);

    let runner = serve_runner(&client).await;
    let judged = client.call_with::<Wait>(&asked, options("wait")).await.unwrap();
    let judgement = judged.judgement.clone().unwrap();
    assert_eq!((judgement.verdict, judgement.judged_by.as_str()), (Verdict::Ac, runner.instance()));
    for (key, judgement) in [("submitted", None), ("judged", Some(judgement))] {
        let event = timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
        assert_eq!(event, (key, Submission { judgement, ..judged.clone() }));
    }
    for running in [runner, grading, also_grading, listener] {
        running.shutdown().await;
    }
    assert!(events.try_recv().is_err(), "nothing is told twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_says_why() {
    let Some(broker) = warren_testing::broker("grading-refuses").await else { return };
    let (client, folder) = (client(&broker.url).await, tempfile::tempdir().unwrap());
    let service = warren_grading::service(folder.path()).await.unwrap();
    let grading = service.serve(&client, ServeOptions::default()).await.unwrap();
    put_sum(&client).await;
    client.call_with::<Submit>(&submission(), options("one")).await.unwrap();

    let refused = async |request: SubmitRequest, call_id: &str| {
        let answer = client.call_with::<Submit>(&request, options(call_id)).await;
        match answer {
            Err(CallError::Status(status)) => (status.code, status.message),
            other => panic!("{other:?}"),
        }
    };
    let other = SubmitRequest { source: "print(6)".to_owned(), ..submission() };
    assert_eq!(refused(other, "one").await.0, Code::FailedPrecondition);
    let misspelt = SubmitRequest { problem: "smu".to_owned(), ..submission() };
    let message = "problem: no problem \"smu\"; there is sum".to_owned();
    assert_eq!(refused(misspelt, "two").await, (Code::NotFound, message));
    let long = SubmitRequest { source: "x".repeat(300_000), ..submission() };
    let message = "source: 300000 bytes, at most 262144".to_owned();
    assert_eq!(refused(long, "three").await, (Code::InvalidArgument, message));
    let unknown = SubmissionRequest { submission: "nonsense".to_owned() };
    let status = client.call::<Wait>(&unknown).await.unwrap_err();
    assert!(matches!(status, CallError::Status(Status { code: Code::NotFound, .. })), "{status}");
    grading.shutdown().await;
}
