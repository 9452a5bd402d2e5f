//! The same topology in this broker and in a RabbitMQ with its management plugin: what `rabbitmqadmin` lists of both,
//! and what both answer.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Stdio;

use serde_json::Value;
use warren_broker::Broker;
use warren_rabbitmq::{Flavour, Node, NodeOptions, wanted_flavour};

use super::client::{get, request};
use super::topology::{PLAIN_STATS, Topology};
use crate::harness::eventually;

const PATHS: [&str; 16] = [
    "overview",
    "queues",
    "queues/%2F",
    "queues?page=1&page_size=3&sort=messages_ready&sort_reverse=true",
    "connections",
    "channels",
    "consumers",
    "exchanges",
    "bindings",
    "vhosts",
    "users",
    "permissions",
    "nodes",
    "whoami",
    "cluster-name",
    "policies",
];

/// A broker of either kind, in which the topology was built and has worked.
struct Shown {
    http: SocketAddr,
    /// Keeps it alive.
    _topology: Topology,
    _broker: Box<dyn std::any::Any>,
}

impl Shown {
    async fn ours() -> Shown {
        let broker: Broker = super::broker().await;
        Shown::work(&broker.url(), broker.http_address().unwrap(), Box::new(broker)).await
    }

    /// None where RabbitMQ is not installed.
    async fn rabbitmq() -> Option<Shown> {
        if warren_rabbitmq::testing::skip_without_rabbitmq() {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("enabled_plugins"), "[rabbitmq_management,rabbitmq_prometheus].").unwrap();
        let [management, prometheus] = free_ports();
        let configuration = vec![
            "management.tcp.ip = 127.0.0.1".to_owned(),
            format!("management.tcp.port = {management}"),
            "prometheus.tcp.ip = 127.0.0.1".to_owned(),
            format!("prometheus.tcp.port = {prometheus}"),
            // Statistics every half second instead of every five.
            "collect_statistics_interval = 500".to_owned(),
        ];
        let flavour = if is_4() { Flavour::Trixie } else { Flavour::Debian };
        let kept = Some(directory.path().to_owned());
        let options = NodeOptions { flavour, directory: kept, configuration, ..NodeOptions::default() };
        let node = Node::start(options).await.unwrap();
        let http = SocketAddr::from(([127, 0, 0, 1], management));
        eventually("the management plugin listens", || async { tokio::net::TcpStream::connect(http).await.is_ok() })
            .await;
        // The node before its directory.
        Some(Shown::work(&node.url(), http, Box::new((node, directory))).await)
    }

    async fn work(url: &str, http: SocketAddr, broker: Box<dyn std::any::Any>) -> Shown {
        let topology = Topology::build(url).await;
        topology.work().await;
        let shown = Shown { http, _topology: topology, _broker: broker };
        // RabbitMQ collects its statistics behind what it does.
        eventually("the statistics are complete", || async {
            let plain = shown.get("queues/%2F/plain").await;
            let stats = PLAIN_STATS.iter().all(|(name, expected)| plain["message_stats"][name] == *expected);
            let consumers = shown.get("consumers").await;
            let clients = [shown.get("connections").await, shown.get("channels").await];
            let described = clients.iter().all(|list| list[0].get("user").is_some() && list[0].get("state").is_some());
            let queues = shown.get("queues").await;
            let counted = queues.as_array().unwrap().iter().all(|queue| queue.get("messages").is_some());
            stats
                && counted
                && plain["messages"] == 5
                && described
                && consumers.as_array().is_some_and(|list| list.len() == 3)
        })
        .await;
        shown
    }

    async fn get(&self, path: &str) -> Value {
        let answer = get(self.http, "guest:guest", &format!("/api/{path}")).await;
        if answer.status == 200 { answer.json() } else { Value::Null }
    }

    /// What `rabbitmqadmin` prints, tabs between columns.
    async fn admin(&self, arguments: &str) -> String {
        let mut command = tokio::process::Command::new("rabbitmqadmin");
        command.args(["--port", &self.http.port().to_string(), "--format", "tsv"]).args(arguments.split(' '));
        command.stdin(Stdio::null()).env("LC_ALL", "C.UTF-8").kill_on_drop(true);
        let output = command.output().await.unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "rabbitmqadmin {arguments}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }
}

fn is_4() -> bool {
    wanted_flavour() == Some(Flavour::Trixie)
}

fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// What `rabbitmqadmin` is asked to list.
const LISTED: [&str; 20] = [
    "list queues",
    "list queues name vhost type durable auto_delete exclusive messages_ready state",
    "list queues name messages_unacknowledged message_bytes consumers message_stats.publish",
    "--vhost / --sort messages list queues name messages",
    "list exchanges",
    "list exchanges vhost name type durable auto_delete internal",
    "list bindings",
    "list bindings source vhost destination destination_type routing_key",
    "list connections user vhost channels state protocol auth_mechanism client_properties.product",
    "list channels user number confirm prefetch_count consumer_count messages_unacknowledged",
    "--sort consumer_tag list consumers ack_required active activity_status consumer_tag exclusive prefetch_count",
    "--sort consumer_tag list consumers queue.name consumer_tag ack_required activity_status",
    "list vhosts",
    "list users name tags",
    "list permissions",
    "list policies",
    "list parameters",
    "list operator_policies",
    "list vhost_limits",
    "show overview queue_totals.messages object_totals.queues object_totals.consumers rates_mode",
];

/// One test, since a RabbitMQ with its plugins takes seconds to start and to count.
#[tokio::test]
async fn what_is_shown_is_what_rabbitmq_shows() {
    let Some(theirs) = Shown::rabbitmq().await else { return };
    let ours = Shown::ours().await;
    rabbitmqadmin_lists_the_same(&ours, &theirs).await;
    every_key_is_one_of_rabbitmqs_and_has_its_type(&ours, &theirs).await;
    every_metric_is_one_of_rabbitmqs(&ours, &theirs).await;
}

async fn rabbitmqadmin_lists_the_same(ours: &Shown, theirs: &Shown) {
    for listed in LISTED {
        let (ours, theirs) = (ours.admin(listed).await, theirs.admin(listed).await);
        assert_eq!(ours, theirs, "rabbitmqadmin {listed}");
    }
    assert_eq!(ours.admin("show overview").await.lines().count(), 2);
    assert!(ours.admin("list nodes").await.contains("warren@localhost\tram\t"));
}

/// Keys that 3.10 has and 4.0 has not.
const GONE_IN_4: [(&str, &str); 1] = [("channels", "[].global_prefetch_count: number")];

/// Keys that only this broker has, by path: a map by the node's name.
const EXCEPTIONS: [(&str, &str); 1] = [("vhosts", "[].cluster_state.warren@localhost: text")];

async fn every_key_is_one_of_rabbitmqs_and_has_its_type(ours: &Shown, theirs: &Shown) {
    let mut unknown = Vec::new();
    for path in PATHS {
        let (ours, theirs) = (keys(&ours.get(path).await), keys(&theirs.get(path).await));
        assert!(ours.len() > usize::from(path != "policies"), "/api/{path}: {ours:?}");
        // RabbitMQ 4 leaves out what is null.
        let is_excepted = |key: &str| {
            EXCEPTIONS.contains(&(path, key)) || is_4() && (key.ends_with(": null") || GONE_IN_4.contains(&(path, key)))
        };
        unknown.extend(ours.difference(&theirs).filter(|key| !is_excepted(key)).map(|key| format!("{path} {key}")));
    }
    assert!(unknown.is_empty(), "not of RabbitMQ: {unknown:#?}");
}

/// Every path of keys in an answer, with its type. What a client says of itself is left out.
fn keys(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(value, "", &mut found);
    found.retain(|key| !key.contains("client_properties.") && !key.contains("arguments."));
    found
}

fn collect(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    };
    found.insert(format!("{path}: {kind}"));
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, &format!("{path}[]"), found)),
        Value::Object(object) => object.iter().for_each(|(key, value)| {
            collect(value, &format!("{path}{}{key}", if path.is_empty() { "" } else { "." }), found);
        }),
        _ => {}
    }
}

/// Prometheus' own parser for Python takes it: `WARREN_PYTHON` names one that has the package.
#[tokio::test]
async fn prometheus_reads_the_metrics() {
    let python = std::env::var("WARREN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has =
        std::process::Command::new(&python).args(["-c", "import prometheus_client"]).stderr(Stdio::null()).status();
    if !has.is_ok_and(|status| status.success()) {
        return warren_debian::skip_test(&format!("{python} has no prometheus_client; WARREN_PYTHON can name another"));
    }
    let ours = Shown::ours().await;
    for (path, expected) in [
        ("/metrics", "rabbitmq_queue_messages_ready {} 4.0"),
        ("/metrics/per-object", "rabbitmq_queue_messages_ready {'vhost': '/', 'queue': 'plain'} 4.0"),
    ] {
        let answer = request(ours.http, "GET", path, None).await;
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &answer.body).unwrap();
        let output = std::process::Command::new(&python).args(["-c", PARSE]).arg(file.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(printed.lines().any(|line| line == expected), "{path}: no {expected:?} in\n{printed}");
    }
}

const PARSE: &str = "
import sys
from prometheus_client.parser import text_string_to_metric_families
seen = set()
for family in text_string_to_metric_families(open(sys.argv[1]).read()):
    assert family.documentation and family.samples, family
    for sample in family.samples:
        key = (sample.name, tuple(sorted(sample.labels.items())))
        assert key not in seen, key
        seen.add(key)
        print(sample.name, sample.labels, float(sample.value))
";

/// Names and types of the metrics in sums are those of rabbitmq_prometheus.
async fn every_metric_is_one_of_rabbitmqs(ours: &Shown, theirs: &Shown) {
    let prometheus = theirs.get("overview").await["listeners"]
        .as_array()
        .and_then(|list| list.iter().find(|it| it["protocol"] == "http/prometheus"))
        .and_then(|it| u16::try_from(it["port"].as_u64()?).ok())
        .expect("the plugin listens");
    let types = |text: &str| -> BTreeSet<String> {
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(str::to_owned).collect()
    };
    let theirs = request(([127, 0, 0, 1], prometheus).into(), "GET", "/metrics", None).await;
    let ours = request(ours.http, "GET", "/metrics", None).await;
    let unknown: Vec<String> = types(&ours.body).difference(&types(&theirs.body)).cloned().collect();
    assert_eq!(unknown, Vec::<String>::new());
}
