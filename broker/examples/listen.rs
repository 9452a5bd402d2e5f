//! A broker of its own process, for a look with any client:
//! `cargo run -p warren-broker --example listen -- 127.0.0.1:5673 127.0.0.1:15673`; the second address is for HTTP.

use warren_broker::{Broker, Options};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut options = Options::default();
    if let Some(address) = std::env::args().nth(1) {
        options.listen = address.parse()?;
    }
    #[cfg(feature = "http")]
    if let Some(address) = std::env::args().nth(2) {
        options.http = Some(address.parse()?);
    }
    let broker = Broker::start(options).await?;
    #[expect(clippy::print_stdout, reason = "the address is what this program is for")]
    {
        println!("{}", broker.url());
        #[cfg(feature = "http")]
        if let Some(url) = broker.http_url() {
            println!("{url}");
        }
    }
    tokio::signal::ctrl_c().await?;
    Ok(())
}
