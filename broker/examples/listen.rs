//! A broker of its own process, for a look with any client: `cargo run -p warren-broker --example listen -- 127.0.0.1:5673`.

use warren_broker::{Broker, Options};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut options = Options::default();
    if let Some(address) = std::env::args().nth(1) {
        options.listen = address.parse()?;
    }
    let broker = Broker::start(options).await?;
    #[expect(clippy::print_stdout, reason = "the address is what this program is for")]
    {
        println!("{}", broker.url());
    }
    tokio::signal::ctrl_c().await?;
    Ok(())
}
