//! An instance that cannot start, or stops by itself.

use std::sync::Arc;

use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use warren_rpc::{CallError, Context, ServeError, ServeOptions, Service, Status};

use super::harness::{Outer, Work, broker, client, foreign, stateless};

async fn reply(_: Arc<()>, _: Context, number: u32) -> Result<String, Status> {
    Ok(number.to_string())
}

#[tokio::test]
async fn a_queue_that_exists_with_other_arguments_is_named_and_nothing_is_left_running() {
    let Some(broker) = broker("other-arguments").await else { return };
    let (client, channel) = (client(&broker.url).await, foreign(&broker.url).await);
    let transient = QueueDeclareOptions::default();
    channel.queue_declare("test.outer".into(), transient, Default::default()).await.unwrap();
    let service = Service::new("test", "1.0.0", stateless()).method::<Work, _, _>(reply).method::<Outer, _, _>(reply);
    let error = service.serve(&client, ServeOptions::default()).await.unwrap_err();
    assert!(matches!(&error, ServeError::Declare { queue, .. } if queue == "test.outer"), "{error}");
    assert!(error.to_string().contains("PRECONDITION_FAILED"), "{error}");

    let deleted =
        channel.queue_delete("test.work".into(), QueueDeleteOptions { if_unused: true, ..Default::default() });
    deleted.await.expect("the method that could be declared is not consumed any more");
    assert!(matches!(client.call::<Work>(&1).await, Err(CallError::Unroutable { .. })), "the client lives on");
}

#[tokio::test]
async fn a_method_that_is_served_twice_is_named() {
    let Some(broker) = broker("served-twice").await else { return };
    let client = client(&broker.url).await;
    let twice = Service::new("test", "1.0.0", stateless()).method::<Work, _, _>(reply).method::<Work, _, _>(reply);
    let error = twice.serve(&client, ServeOptions::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "test.work is served twice by one service");
    assert!(matches!(client.call::<Work>(&1).await, Err(CallError::Unroutable { .. })), "nothing was declared");
}
