//! Fills a queue, and purges it when a line comes on standard input: what `cargo xtask bench broker` weighs a broker
//! with. `cargo run --release -p warren-broker --example fill -- URL [MESSAGES]`.

#![expect(clippy::print_stdout, reason = "the bench reads how far it is")]

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueuePurgeOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};

const QUEUE: &str = "fill";
const BODY: [u8; 256] = [b'x'; 256];
const UNCONFIRMED_MAX: usize = 1024;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("give the broker's URL")?;
    let messages: usize = arguments.next().map_or(Ok(1_000_000), |count| count.parse())?;
    let channel = Connection::connect(&url, ConnectionProperties::default()).await?.create_channel().await?;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(QUEUE.into(), options, FieldTable::default()).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut pending = FuturesUnordered::new();
    for _ in 0..messages {
        if pending.len() >= UNCONFIRMED_MAX {
            let confirmed: Option<lapin::Result<lapin::Confirmation>> = pending.next().await;
            confirmed.transpose()?;
        }
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let channel = &channel;
        pending.push(
            async move { channel.basic_publish("".into(), QUEUE.into(), options, &BODY, properties).await?.await },
        );
    }
    while let Some(confirmed) = pending.next().await {
        confirmed?;
    }
    println!("filled");
    std::io::stdin().read_line(&mut String::new())?;
    let purged = channel.queue_purge(QUEUE.into(), QueuePurgeOptions::default()).await?;
    println!("purged {purged}");
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}
