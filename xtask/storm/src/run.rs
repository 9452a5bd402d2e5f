//! The storm from its beginning to its judgement.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, sleep};
use warren_rpc::{CallOptions, Client, ClientOptions};

use crate::{
    Output, Run,
    calls::{Calls, DEADLINE},
    faults::{self, Instances},
    judgement::Judgement,
    live_bytes,
    method::HaveEffect,
    store,
    target::{Held, Target},
};

/// The part of the calls that are made at once before the storm: as many as may wait together for a broker that is
/// away. Buffers grow to what was in flight, and keep their size; what else grows is a leak.
const WARM_UP: usize = 2;

/// Longest until queues are empty after the last call: their requests expire with their calls.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// Shortest time in which the held bytes are looked at.
const BYTES_LOOKS: Duration = Duration::from_secs(3);

/// Makes a storm, and prints what was found. False if a promise was broken.
pub(crate) async fn run(arguments: &Run) -> anyhow::Result<bool> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("storm.sqlite");
    let pool = store::open(&file).await?;
    let mut target = Target::start(arguments.rabbitmq).await?;
    let mut instances = Instances::start(arguments.instances, &target.url(), &file)?;
    let client = Client::connect(&target.url(), ClientOptions::default()).await?;
    until_served(&client).await?;
    Calls::new(u64::MAX, arguments.calls / WARM_UP).make(&client, Duration::ZERO).await;
    let calls = Calls::new(arguments.seed, arguments.calls);
    let live_bytes_before = settled_bytes(&client, usize::MAX).await;

    let until = Instant::now() + arguments.duration();
    let (made, ()) = tokio::join!(
        faults::make(arguments.seed, until, &mut target, &mut instances),
        calls.make(&client, arguments.duration()),
    );
    let made = made?;
    let (held, dead_letters) = settled(&target).await?;
    let live_bytes_after = settled_bytes(&client, live_bytes_before).await;
    let mut judgement = Judgement {
        seed: arguments.seed,
        broker: format!("{:?}", arguments.rabbitmq),
        faults: made,
        calls: calls.len(),
        ended: calls.by_end(),
        slowest_ms: calls.slowest().as_millis(),
        effects_of_accepted: BTreeMap::new(),
        effects_of_others: BTreeMap::new(),
        held,
        dead_letters,
        live_bytes_before,
        live_bytes_after,
        broken: Vec::new(),
    };
    judgement.count_effects(&calls, &store::effects(&pool).await?);
    judgement.judge(calls.slowest());
    match arguments.output {
        Output::Table => print!("{}", judgement.table()),
        Output::Json => println!("{}", serde_json::to_string(&judgement)?),
    }
    Ok(judgement.broken.is_empty())
}

/// Waits until an instance has declared the method, and answers.
async fn until_served(client: &Client) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let options = CallOptions { deadline: DEADLINE, ..CallOptions::default() };
        match client.call_with::<HaveEffect>(&0, options).await {
            Ok(_) => return Ok(()),
            Err(error) if begun.elapsed() > DEADLINE => return Err(error.into()),
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Waits until no queue but those of dead letters holds anything: what is held still, and how many dead letters there
/// are.
async fn settled(target: &Target) -> anyhow::Result<(Vec<Held>, u64)> {
    let begun = Instant::now();
    loop {
        let queues = target.queues().await?;
        let (dead, alive): (Vec<Held>, Vec<Held>) = queues.into_iter().partition(|queue| queue.name.ends_with(".dead"));
        let held: Vec<Held> = alive.into_iter().filter(|queue| queue.messages > 0).collect();
        if held.is_empty() || begun.elapsed() > SETTLED_WITHIN {
            return Ok((held, dead.iter().map(|queue| queue.messages).sum()));
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// What is held when what ends by itself has ended: the least of some looks, and of more of them until it is little.
async fn settled_bytes(client: &Client, little: usize) -> usize {
    let (begun, mut least) = (Instant::now(), usize::MAX);
    while begun.elapsed() < BYTES_LOOKS || (least > little && begun.elapsed() < SETTLED_WITHIN) {
        sleep(Duration::from_millis(100)).await;
        if client.is_connected() && client.in_flight() == 0 {
            least = least.min(live_bytes());
        }
    }
    least
}
