//! Free ports on 127.0.0.1.

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::{Mutex, OnceLock};

/// Below Linux's ephemeral ports (32768 and up), so that no outgoing connection takes a port while its node is down,
/// and away from the usual ports of RabbitMQ, `epmd` and `rabbitmqctl` (4369, 5672, 15672, 25672, 35672 to 35682).
const RANGE: Range<u16> = 26_000..31_000;

/// The ports for `rabbitmqctl`'s own end of a connection to a node.
pub(crate) const CTL_FIRST: u16 = 31_000;
/// The last of them.
pub(crate) const CTL_LAST: u16 = 31_999;

/// A port that nobody listens on, never handed out twice by this program.
pub(crate) fn free() -> io::Result<u16> {
    static HANDED_OUT: OnceLock<Mutex<HashSet<u16>>> = OnceLock::new();
    let mut handed_out = HANDED_OUT.get_or_init(Mutex::default).lock().expect("nobody panics while holding this lock");
    let size = u32::from(RANGE.end - RANGE.start);
    let first = getrandom::u32().map_err(io::Error::other)? % size;
    for step in 0..size {
        let offset = u16::try_from((first + step) % size).expect("the range has fewer than 65,536 ports");
        let port = RANGE.start + offset;
        if !handed_out.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            handed_out.insert(port);
            return Ok(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, format!("every port from {} to {} is taken", RANGE.start, RANGE.end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_can_be_bound() {
        let ports: HashSet<u16> = (0..50).map(|_| free().unwrap()).collect();
        assert_eq!(ports.len(), 50);
        for port in ports {
            assert!(RANGE.contains(&port));
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
    }
}
