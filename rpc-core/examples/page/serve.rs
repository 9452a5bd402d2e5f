use warren_rpc::{Client, ClientOptions, ServeOptions};

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::connect("amqp://127.0.0.1:5672", ClientOptions::default()).await?;
    let mut running = calculator::service().serve(&client, ServeOptions::default()).await?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        error = running.ended() => return Err(error.into()), // it stopped by itself: the broker was given up, say
    }
    running.shutdown().await; // what has begun is finished and answered
    client.close().await;
    Ok(())
}
