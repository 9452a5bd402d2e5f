//! A cluster of which a node dies, or is cut off: row 22 of the table of faults. RabbitMQ only, and slow to start.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use tokio::sync::Mutex;
use warren_rabbitmq::{Cluster, Flavour, Node, NodeOptions, StartError};
use warren_rpc::{
    CallError, CallOptions, Client, ClientOptions, Effect, MemoryReplyStore, Method, MethodOptions, RetryPolicy,
    ServeOptions, Service,
};

use super::harness::{PATIENCE, eventually};

/// On disk on most nodes before it is confirmed.
struct Kept;

impl Method for Kept {
    const NAME: &'static str = "test.kept";
    const EFFECT: Effect = Effect::Once;
    const DURABLE: bool = true;
    type Request = u32;
    type Reply = u32;
}

/// Callers, one after another for each, until they are told to stop.
struct Callers {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU32>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Callers {
    fn start(client: &Client, count: u32) -> Callers {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let caller = |number: u32| {
            let (client, stop, answered) = (client.clone(), Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(async move {
                for call in (number..).step_by(count as usize) {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    // Until a queue has another leader, the broker refuses what is sent to it.
                    let retry =
                        RetryPolicy { attempts_max: 30, pause: Duration::from_secs(1), ..RetryPolicy::default() };
                    let options = CallOptions { deadline: 2 * PATIENCE, retry, ..CallOptions::default() };
                    let outcome: Result<u32, CallError> = client.call_with::<Kept>(&call, options).await;
                    assert_eq!(outcome.expect("a call that may be repeated is answered"), call);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let tasks = (0..count).map(caller).collect();
        Callers { stop, answered, tasks }
    }

    /// Waits until some more calls are answered.
    async fn go_on(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        eventually("calls go on", || async { self.answered.load(Ordering::Relaxed) > before + 50 }).await;
    }

    /// How many calls there were.
    async fn finish(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        // Each ends at its deadline at the latest.
        for ended in join_all(self.tasks).await {
            ended.unwrap();
        }
        self.answered.load(Ordering::Relaxed)
    }
}

async fn client(urls: &str) -> Client {
    let options = ClientOptions {
        heartbeat: Duration::from_secs(2),
        connect_timeout: Duration::from_secs(3),
        ..ClientOptions::default()
    };
    Client::connect(urls, options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: three RabbitMQ nodes take a minute"]
async fn a_node_that_dies_or_is_cut_off_is_left_for_another_and_nothing_confirmed_is_lost() {
    let flavour = warren_rabbitmq::wanted_flavour().unwrap_or_default();
    // A frozen node is given up by the others within some seconds, not a minute. When it goes on it is apart from them,
    // and with `pause_minority` it may never know: docs/faults.md.
    let configuration = vec!["net_ticktime = 5".to_owned(), "cluster_partition_handling = autoheal".to_owned()];
    let options = NodeOptions { flavour, configuration, schedulers: Some(1), ..NodeOptions::default() };
    let cluster = match Cluster::start(3, &options).await {
        Ok(cluster) => cluster,
        Err(missing @ StartError::NotInstalled { .. }) => return warren_debian::skip_test(&missing.to_string()),
        Err(error) => panic!("the cluster does not start: {error}"),
    };
    let [first, second, third] = cluster.nodes() else { unreachable!("three were started") };
    let runs = Arc::new(Mutex::new(Vec::new()));
    let service = Service::new("test", "1.0.0", Arc::clone(&runs)).once::<Kept, _, _, _>(
        MethodOptions { prefetch: Some(8) },
        Arc::new(MemoryReplyStore::default()),
        |runs: Arc<Mutex<Vec<u32>>>, _, transaction, number| async move {
            runs.lock().await.push(number);
            Ok((number, transaction))
        },
    );
    // The queue's leader is on the node of who declares it. RabbitMQ 3.10 refuses, for minutes, what is sent to a queue
    // whose leader's node was killed, although the queue has another leader; 4.0 does not.
    let dying = if flavour == Flavour::Trixie { first } else { third };
    let left = if flavour == Flavour::Trixie { third } else { first };
    service.serve(&client(&first.url()).await, ServeOptions::default()).await.unwrap().shutdown().await;
    // Two instances: one whose node is going to die, and one whose is going to be cut off.
    let dying_first = [dying, second, left].map(Node::url).join(",");
    let (one, other) = (client(&dying_first).await, client(&[second, left].map(Node::url).join(",")).await);
    let _running = [
        service.serve(&one, ServeOptions::default()).await.unwrap(),
        service.serve(&other, ServeOptions::default()).await.unwrap(),
    ];
    let callers = Callers::start(&client(&dying_first).await, 8);
    callers.go_on().await;

    dying.kill().await.unwrap();
    callers.go_on().await;
    dying.start_again().await.unwrap();
    eventually("the queue is on three nodes again", || async {
        let online = second.ctl(&["list_queues", "--quiet", "--no-table-headers", "name", "online"]).await;
        let of_kept = online.iter().flat_map(|queues| queues.lines()).find(|line| line.starts_with("test.kept\t"));
        of_kept.is_some_and(|line| line.matches('@').count() == 3)
    })
    .await;

    second.pause().await.unwrap();
    callers.go_on().await;
    second.resume().await.unwrap();
    callers.go_on().await;

    let calls = callers.finish().await;
    let mut runs = runs.lock().await.clone();
    assert_eq!(runs.len(), calls as usize, "each call was run once");
    runs.sort_unstable();
    runs.dedup();
    assert_eq!(runs.len(), calls as usize, "and each its own");
}
