//! The embedded broker in a process of its own, told by lines what happens to it: `restart` and `cut`. It answers each
//! with a line.

use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, BufReader};
use warren_broker::{Broker, Options, Survives};

/// How long a restarted broker is away.
const DOWNTIME: Duration = Duration::from_millis(700);

/// Is a broker until standard input ends. The first line says its address, and that of its management API.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let options = Options { http: Some(([127, 0, 0, 1], 0).into()), ..Options::default() };
    let broker = Broker::start(options).await?;
    let http = broker.http_address().context("it was asked for")?;
    println!("{} {http}", broker.url());
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match line.as_str() {
            "restart" => broker.restart(Survives::Durable, DOWNTIME).await?,
            "cut" => broker.cut_all().await,
            other => anyhow::bail!("a broker cannot {other}"),
        }
        println!("done");
    }
    Ok(())
}
