//! The methods over a broker.

use warren_certificates::{Options, service};
use warren_proto::certificates::{CodeRequest, Get, Issue, IssueRequest, Verify};
use warren_rpc::{CallError, Client, ClientOptions, Code, ServeOptions};

fn request() -> IssueRequest {
    IssueRequest {
        contest: "spring".to_owned(),
        contest_title: "Spring Cup".to_owned(),
        person: "Łukasz".to_owned(),
        name: "Łukasz Ñandú".to_owned(),
        place: Some(1),
        date: Some("2024-03-09".to_owned()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_issued_fetched_and_verified_over_the_broker() {
    let Some(broker) = warren_testing::broker("certificates").await else { return };
    let client = Client::connect(&broker.url, ClientOptions::default()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let service = service(dir.path(), Options::default()).await.unwrap();
    let running = service.serve(&client, ServeOptions::default()).await.unwrap();

    let issued = client.call::<Issue>(&request()).await.unwrap();
    let of_code = |code: &str| CodeRequest { code: code.to_owned() };
    let got = client.call::<Get>(&of_code(&issued.code)).await.unwrap();
    assert!(got.pdf.starts_with(b"%PDF-"));
    assert_eq!(got.certificate, issued);
    assert!(client.call::<Verify>(&of_code(&issued.code)).await.unwrap().valid);
    assert!(!client.call::<Verify>(&of_code("nonsense")).await.unwrap().valid);
    let unknown = client.call::<Get>(&of_code("0123-4567-89BC-DFGM")).await;
    assert!(matches!(unknown, Err(CallError::Status(status)) if status.code == Code::NotFound));

    running.shutdown().await;
    client.close().await;
}
