//! Users, their permissions, and vhosts: the embedded broker only, which has them as options.

use lapin::options::*;
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use warren_broker::{Broker, Options, Permissions, UserOptions};

use crate::harness::*;

async fn broker() -> Broker {
    let permissions = Permissions {
        configure: "^mine-".to_owned(),
        write: "^mine-|^amq\\.direct$".to_owned(),
        read: "^mine-".to_owned(),
    };
    let options = Options {
        vhosts: vec!["/".to_owned(), "other".to_owned()],
        users: vec![UserOptions::new("u", "p").permitted("/", permissions)],
        ..Options::default()
    };
    Broker::start(options).await.unwrap()
}

async fn channel(broker: &Broker) -> lapin::Channel {
    let connection = Connection::connect(&broker.url(), ConnectionProperties::default()).await.unwrap();
    connection.create_channel().await.unwrap()
}

#[tokio::test]
async fn a_user_may_do_what_its_permissions_say() {
    let broker = broker().await;
    let allowed = channel(&broker).await;
    declare(&allowed, "mine-q", FieldTable::default()).await;
    let declared = allowed.queue_declare("yours".into(), QueueDeclareOptions::default(), FieldTable::default()).await;
    let text = "ACCESS_REFUSED - access to queue 'yours' in vhost '/' refused for user 'u'";
    assert_eq!(refusal(declared), (403, text.to_owned()));
    let publisher = channel(&broker).await;
    confirms(&publisher).await;
    let options = BasicPublishOptions::default();
    let publish =
        publisher.basic_publish("".into(), "mine-q".into(), options, b"x", BasicProperties::default()).await.unwrap();
    let text = "ACCESS_REFUSED - access to exchange 'amq.default' in vhost '/' refused for user 'u'";
    assert_eq!(refusal(publish.await), (403, text.to_owned()));
    let binder = channel(&broker).await;
    let (queue, exchange) = ("mine-q".into(), "amq.direct".into());
    let bound =
        binder.queue_bind(queue, exchange, "k".into(), QueueBindOptions::default(), FieldTable::default()).await;
    assert_eq!(refusal(bound).0, 403);
}

#[tokio::test]
async fn a_user_enters_only_its_vhosts() {
    let broker = broker().await;
    let refused = Connection::connect(&broker.url_of_vhost("other"), ConnectionProperties::default()).await;
    assert_eq!(refusal(refused), (530, "NOT_ALLOWED - access to vhost 'other' refused for user 'u'".to_owned()));
}

#[tokio::test]
async fn a_pattern_that_is_none_is_refused_at_start() {
    let permissions = Permissions { configure: "(".to_owned(), ..Permissions::all() };
    let options = Options { users: vec![UserOptions::new("u", "p").permitted("/", permissions)], ..Options::default() };
    let error = Broker::start(options).await.unwrap_err().to_string();
    assert!(error.starts_with("user \"u\": the permission \"(\" is not a regular expression"), "{error}");
}
