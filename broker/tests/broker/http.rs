//! What the broker shows over HTTP: to who may see it, and of what anybody named. What RabbitMQ says to the same is in
//! `compared`.

mod client;
mod compared;
mod topology;

use lapin::BasicProperties;
use serde_json::{Value, json};
use warren_broker::{Broker, Options, Permissions, UserOptions};

use crate::harness::{PATIENCE, declare, eventually, publish};
use client::{Answer, get, request};
use topology::{Topology, channel};

async fn broker() -> Broker {
    let options = Options { http: Some(([127, 0, 0, 1], 0).into()), ..Options::default() };
    Broker::start(options).await.unwrap()
}

async fn api(broker: &Broker, path: &str) -> Value {
    let answer = get(broker.http_address().unwrap(), "guest:guest", path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json()
}

#[tokio::test]
async fn nobody_answers_unless_it_is_asked_for() {
    let broker = Broker::start(Options::default()).await.unwrap();
    assert_eq!((broker.http_address(), broker.http_url()), (None, None));
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_at_start() {
    let first = broker().await;
    let address = first.http_address().unwrap();
    let error = Broker::start(Options { http: Some(address), ..Options::default() }).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot listen on {address}")), "{error}");
}

#[tokio::test]
async fn a_broker_that_is_dropped_frees_its_port() {
    let broker = broker().await;
    let address = broker.http_address().unwrap();
    // A connection that stays open must not keep it.
    let idle = tokio::net::TcpStream::connect(address).await.unwrap();
    drop(broker);
    eventually("the port is free", || async { tokio::net::TcpListener::bind(address).await.is_ok() }).await;
    drop(idle);
}

#[tokio::test]
async fn a_password_is_asked_for_as_rabbitmq_asks() {
    let broker = broker().await;
    let address = broker.http_address().unwrap();
    for path in ["/", "/api/overview", "/api/whoami"] {
        let without = request(address, "GET", path, None).await;
        assert_eq!((without.status, &*without.body), (401, ""), "{path}");
        assert_eq!(without.header("www-authenticate"), Some("Basic realm=\"RabbitMQ Management\""));
        let wrong = get(address, "guest:wrong", path).await;
        assert_eq!(wrong.status, 401, "{path}");
        assert_eq!(wrong.json(), json!({ "error": "not_authorized", "reason": "Login failed" }));
        assert_eq!(get(address, "guest:guest", path).await.status, 200, "{path}");
    }
    assert_eq!(api(&broker, "/api/whoami").await, json!({ "name": "guest", "tags": ["administrator"] }));
}

#[tokio::test]
async fn a_confined_user_sees_its_vhost_and_itself_only() {
    let users = vec![
        UserOptions::new("guest", "guest"),
        UserOptions::new("confined", "p").permitted("mine", Permissions::all()),
    ];
    let vhosts = vec!["/".to_owned(), "mine".to_owned()];
    let http = Some(([127, 0, 0, 1], 0).into());
    let broker = Broker::start(Options { vhosts, users, http, ..Options::default() }).await.unwrap();
    for (vhost, queue) in [("/", "theirs"), ("mine", "ours")] {
        declare(&channel(&broker.url_of_vhost(vhost)).await, queue, Default::default()).await;
    }
    let address = broker.http_address().unwrap();
    let seen = async |path: &str| get(address, "confined:p", path).await;
    let names = |answer: &Answer| -> Vec<String> {
        answer.json().as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&seen("/api/queues").await), ["ours"]);
    assert_eq!(names(&seen("/api/vhosts").await), ["mine"]);
    // The channels are guest's.
    for path in ["/api/connections", "/api/channels", "/api/consumers"] {
        assert_eq!(seen(path).await.json(), json!([]), "{path}");
    }
    assert_eq!(seen("/api/whoami").await.json()["tags"], json!(["management"]));
    let overview = seen("/api/overview").await.json();
    assert_eq!((&overview["object_totals"]["queues"], overview.get("listeners")), (&json!(1), None));
    for (path, reason) in [
        ("/api/queues/%2F", "User not authorised to access virtual host"),
        ("/api/queues/%2F/theirs", "User not authorised to access virtual host"),
        ("/api/users", "Not administrator user"),
        ("/api/permissions", "Not administrator user"),
        ("/api/nodes", "Not monitor user"),
    ] {
        let answer = seen(path).await;
        assert_eq!((answer.status, answer.json()), (401, json!({ "error": "not_authorised", "reason": reason })));
    }
    assert_eq!(get(address, "guest:guest", "/api/queues/nosuch").await.status, 404);
    assert_eq!(get(address, "guest:guest", "/api/queues/mine/ours").await.json()["name"], json!("ours"));
}

#[tokio::test]
async fn nothing_can_be_changed() {
    let broker = broker().await;
    let address = broker.http_address().unwrap();
    for (method, path) in
        [("PUT", "/api/queues/%2F/q"), ("DELETE", "/api/queues/%2F/q"), ("POST", "/api/queues"), ("POST", "/metrics")]
    {
        let answer = request(address, method, path, Some("guest:guest")).await;
        assert_eq!(answer.status, 405, "{method} {path}");
        let reason = "this broker can be looked at over HTTP, and is changed over AMQP only";
        assert_eq!(answer.json()["reason"], json!(reason));
    }
    assert_eq!(api(&broker, "/api/queues").await, json!([]));
}

/// The page writes names as text only, and could not run one: what runs carries a mark that no name can know.
#[tokio::test]
async fn a_queue_that_is_called_like_a_script_stays_a_name() {
    let broker = broker().await;
    let name = "<script>alert(\"1\\\")</script>";
    declare(&channel(&broker.url()).await, name, Default::default()).await;
    let address = broker.http_address().unwrap();
    let list = get(address, "guest:guest", "/api/queues").await;
    assert_eq!(list.json()[0]["name"], json!(name));
    assert_eq!(list.header("content-type"), Some("application/json"));
    assert_eq!(list.header("x-content-type-options"), Some("nosniff"));
    let page = get(address, "guest:guest", "/").await;
    let policy = page.header("content-security-policy").unwrap();
    let mark = policy.split("script-src 'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.body.matches("<script").count(), page.body.matches(&format!("<script nonce=\"{mark}\">")).count());
    assert!(!["innerHTML", "insertAdjacent", "document.write"].iter().any(|sink| page.body.contains(sink)));
    let again = get(address, "guest:guest", "/").await;
    assert_ne!(again.header("content-security-policy"), Some(policy));
    let metrics = request(address, "GET", "/metrics/per-object", None).await;
    let expected = r#"rabbitmq_queue_messages_ready{vhost="/",queue="<script>alert(\"1\\\")</script>"} 0"#;
    assert!(metrics.body.contains(expected));
}

#[tokio::test]
async fn what_happens_is_counted() {
    let broker = broker().await;
    let topology = Topology::build(&broker.url()).await;
    topology.work().await;
    let queue = api(&broker, "/api/queues/%2F/plain").await;
    let stats = &queue["message_stats"];
    for (name, expected) in topology::PLAIN_STATS {
        assert_eq!(stats[name], json!(expected), "{name}");
    }
    assert_eq!((&queue["messages_ready"], &queue["messages_unacknowledged"]), (&json!(4), &json!(1)));
    assert_eq!((&queue["message_bytes"], &queue["message_bytes_unacknowledged"]), (&json!(25), &json!(5)));
    let overview = api(&broker, "/api/overview").await;
    for (name, expected) in [("publish", 10), ("confirm", 10), ("return_unroutable", 1), ("drop_unroutable", 1)] {
        assert_eq!(overview["message_stats"][name], json!(expected), "{name}");
    }
}

#[tokio::test]
async fn rates_rise_while_something_flows_and_fall_after() {
    let broker = broker().await;
    let channel = channel(&broker.url()).await;
    declare(&channel, "busy", Default::default()).await;
    let rate = async |path: &str, pointer: &str| api(&broker, path).await.pointer(pointer).unwrap().as_f64().unwrap();
    let queue = async || rate("/api/queues/%2F/busy", "/message_stats/publish_details/rate").await;
    publish(&channel, "busy", "x").await;
    let began = std::time::Instant::now();
    while queue().await == 0.0 || rate("/api/connections", "/0/recv_oct_details/rate").await == 0.0 {
        publish(&channel, "busy", "x").await;
        assert!(began.elapsed() < PATIENCE, "no rate came up");
    }
    assert!(rate("/api/overview", "/message_stats/publish_details/rate").await > 0.0);
    eventually("the rate falls", || async { queue().await == 0.0 }).await;
}

#[tokio::test]
async fn a_connection_that_cannot_go_on_says_why() {
    let broker = broker().await;
    let channel = channel(&broker.url()).await;
    let state = async || api(&broker, "/api/connections").await[0]["state"].as_str().unwrap().to_owned();
    assert_eq!(state().await, "running");
    broker.block_publishers("low on memory");
    assert_eq!(state().await, "blocking");
    let options = lapin::options::BasicPublishOptions::default();
    let _confirm =
        channel.basic_publish("".into(), "q".into(), options, b"x", BasicProperties::default()).await.unwrap();
    eventually("it is blocked", || async { state().await == "blocked" }).await;
    broker.unblock_publishers();
    eventually("it goes on", || async { state().await == "running" }).await;
    let id = broker.connections()[0].id;
    broker.freeze(id, true);
    assert_eq!(state().await, "frozen");
    broker.freeze(id, false);
}
