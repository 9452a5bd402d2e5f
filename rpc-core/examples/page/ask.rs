use calculator::{Sum, SumRequest};
use warren_rpc::{Client, ClientOptions};

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::connect("amqp://127.0.0.1:5672", ClientOptions::default()).await?;
    println!("{}", client.call::<Sum>(&SumRequest { a: 2, b: 3 }).await?);
    client.close().await;
    Ok(())
}
