//! Publish, deliver and ack through one queue, with confirms: what `cargo xtask bench broker` compares.
//! `cargo run --release -p warren-broker --example throughput -- URL [MESSAGES] [IN_FLIGHT]`.

use std::time::Instant;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
};
use lapin::options::{QueueDeclareOptions, QueuePurgeOptions};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

const QUEUE: &str = "throughput";
const BODY: [u8; 256] = [b'x'; 256];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("give the broker's URL")?;
    let messages: usize = arguments.next().map_or(Ok(200_000), |count| count.parse())?;
    let in_flight: usize = arguments.next().map_or(Ok(256), |count| count.parse())?;
    let publisher = Connection::connect(&url, ConnectionProperties::default()).await?.create_channel().await?;
    let consumer = Connection::connect(&url, ConnectionProperties::default()).await?.create_channel().await?;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    consumer.queue_declare(QUEUE.into(), options, lapin::types::FieldTable::default()).await?;
    consumer.queue_purge(QUEUE.into(), QueuePurgeOptions::default()).await?;
    let began = Instant::now();
    let consuming = tokio::spawn(consume(consumer, messages));
    publish(&publisher, messages, in_flight).await?;
    consuming.await??;
    let rate = messages as f64 / began.elapsed().as_secs_f64();
    #[expect(clippy::print_stdout, reason = "the figure is what this program is for")]
    {
        println!("{rate:.0} messages/s");
    }
    Ok(())
}

async fn publish(channel: &Channel, messages: usize, in_flight: usize) -> lapin::Result<()> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut pending = FuturesUnordered::new();
    for _ in 0..messages {
        if pending.len() >= in_flight {
            let confirmed: Option<lapin::Result<lapin::Confirmation>> = pending.next().await;
            confirmed.transpose()?;
        }
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default().with_delivery_mode(2));
        pending.push(
            async move { channel.basic_publish("".into(), QUEUE.into(), options, &BODY, properties).await?.await },
        );
    }
    while let Some(confirmed) = pending.next().await {
        confirmed?;
    }
    Ok(())
}

async fn consume(channel: Channel, messages: usize) -> lapin::Result<()> {
    channel.basic_qos(512, BasicQosOptions::default()).await?;
    let (options, arguments) = (BasicConsumeOptions::default(), lapin::types::FieldTable::default());
    let consumer = channel.basic_consume(QUEUE.into(), "".into(), options, arguments).await?;
    let mut chunks = consumer.ready_chunks(128);
    let mut settled = 0;
    while settled < messages {
        let Some(chunk) = chunks.next().await else { break };
        settled += chunk.len();
        if let Some(last) = chunk.into_iter().next_back() {
            last?.ack(BasicAckOptions { multiple: true }).await?;
        }
    }
    Ok(())
}
