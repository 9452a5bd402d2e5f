//! From starting the process to the first word of AMQP on an accepted connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::super::number::number;
use super::super::series::Series;
use super::super::table::{Row, Verdict};
use super::Bench;

const BOUND_MS: f64 = 20.0;
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let ours: Series = (0..bench.runs).map(|_| start_ms(bench)).collect::<anyhow::Result<_>>()?;
    Ok(vec![Row {
        what: "start of the process to `connection.start` on the first connection".to_owned(),
        bound: format!("< {BOUND_MS} ms"),
        ours: ours.text(|ms| format!("{} ms", number(ms, 1))),
        theirs: format!("{} ms", number(bench.node_start_ms, 0)),
        ratio: String::new(),
        verdict: Verdict::of(ours.median() < BOUND_MS),
    }])
}

fn start_ms(bench: &Bench) -> anyhow::Result<f64> {
    let began = Instant::now();
    let listening = bench.listen()?;
    let address = address_in(&listening.url)?;
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"AMQP\0\0\x09\x01")?;
    stream.read_exact(&mut [0])?;
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

/// `HOST:PORT` of an AMQP URL.
pub(super) fn address_in(url: &str) -> anyhow::Result<&str> {
    let (_, rest) = url.split_once('@').context("a URL with a user")?;
    rest.split('/').next().context("a URL with an address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_stands_between_user_and_vhost() {
        assert_eq!(address_in("amqp://guest:guest@127.0.0.1:5672/%2f").unwrap(), "127.0.0.1:5672");
        assert!(address_in("nonsense").is_err());
    }
}
