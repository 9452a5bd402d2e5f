use warren_rpc::{Client, ClientOptions, ServeOptions};

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::connect("amqp://127.0.0.1:5672", ClientOptions::default()).await?;
    let running = calculator::service().serve(&client, ServeOptions::default()).await?;
    tokio::signal::ctrl_c().await?;
    running.shutdown().await; // what has begun is finished and answered
    client.close().await;
    Ok(())
}
