//! Opens many connections by bare sockets and holds them; on a line of standard input it asks every one whether it
//! still lives. `cargo run --release -p warren-broker --example connections -- ADDRESS [CONNECTIONS]`.

#![expect(clippy::print_stdout, reason = "the bench reads how far it is")]

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// In seconds: the broker sends one every 5 s, and is silent about ours for 20 s.
const HEARTBEAT: u8 = 10;
const METHOD: u8 = 1;
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("give the broker's address")?;
    let count: usize = arguments.next().map_or(Ok(10_000), |count| count.parse())?;
    let connections = (0..count).map(|_| open(&address)).collect::<io::Result<Vec<TcpStream>>>()?;
    println!("open {count}");
    io::stdin().read_line(&mut String::new())?;
    let mut heartbeats = 0;
    for connection in &connections {
        heartbeats += usize::from(is_alive(connection)?);
    }
    println!("alive {count}, of which {heartbeats} had a heartbeat");
    io::stdin().read_line(&mut String::new())?;
    Ok(())
}

fn frame(kind: u8, channel: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("short methods only");
    [&[kind, 0, channel, 0, 0, 0, length], payload, &[0xCE]].concat()
}

/// Says everything at once, and waits for the last answer: `connection.open-ok`.
fn open(address: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let start =
        [&[0, 10, 0, 11, 0, 0, 0, 0, 5][..], b"PLAIN", &[0, 0, 0, 12], b"\0guest\0guest", &[5], b"en_US"].concat();
    let script = [
        b"AMQP\0\0\x09\x01".to_vec(),
        frame(METHOD, 0, &start),
        // tune-ok: 2047 channels, frames of 131,072 bytes.
        frame(METHOD, 0, &[0, 10, 0, 31, 0x07, 0xFF, 0, 2, 0, 0, 0, HEARTBEAT]),
        frame(METHOD, 0, &[0, 10, 0, 40, 1, b'/', 0, 0]),
    ];
    stream.write_all(&script.concat())?;
    until_method(&stream, &[0, 10, 0, 41])?;
    Ok(stream)
}

/// Opens a channel. Says whether a heartbeat had come meanwhile.
fn is_alive(mut stream: &TcpStream) -> io::Result<bool> {
    stream.write_all(&frame(METHOD, 1, &[0, 20, 0, 10, 0]))?;
    until_method(stream, &[0, 20, 0, 11])
}

/// Reads to a method. Says whether a heartbeat was among what came before.
fn until_method(stream: &TcpStream, method: &[u8; 4]) -> io::Result<bool> {
    let (mut reader, mut heartbeat) = (BufReader::new(stream), false);
    loop {
        let mut head = [0; 7];
        reader.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
        let mut payload = Vec::new();
        reader.by_ref().take(u64::from(length) + 1).read_to_end(&mut payload)?;
        match head[0] {
            METHOD if payload.starts_with(method) => return Ok(heartbeat),
            METHOD if payload.starts_with(&[0, 10, 0, 50]) => {
                return Err(io::Error::other(String::from_utf8_lossy(&payload).into_owned()));
            }
            8 => heartbeat = true,
            _ => {}
        }
    }
}
