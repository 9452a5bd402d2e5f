use calculator::{Sum, SumRequest};
use warren_rpc::{CallError, Client, ClientOptions, Code, ServeOptions};

#[tokio::test]
async fn a_sum_that_does_not_fit_is_refused() {
    let Some(broker) = warren_testing::broker("too large a sum").await else { return };
    let client = Client::connect(&broker.url, ClientOptions::default()).await.unwrap();
    let _running = calculator::service().serve(&client, ServeOptions::default()).await.unwrap();

    assert_eq!(client.call::<Sum>(&SumRequest { a: 2, b: 3 }).await.unwrap(), 5);
    let too_large = client.call::<Sum>(&SumRequest { a: i64::MAX, b: 1 }).await;
    let Err(CallError::Status(status)) = too_large else { panic!("it does not fit") };
    assert_eq!(status.code, Code::InvalidArgument);
}
