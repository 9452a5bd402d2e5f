//! The Erlang port mapper, by which a node and `rabbitmqctl` find each other.
//!
//! Without one, Erlang would start a daemon that stays. This program's nodes share one that is its child and goes with
//! the last of them.

use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use crate::keeper::Kept;
use crate::launch::Installation;
use crate::{StartError, ports};

const START_TIMEOUT: Duration = Duration::from_secs(10);

/// A running `epmd`.
#[derive(Debug)]
pub(crate) struct Epmd {
    port: u16,
    _process: Kept,
}

impl Epmd {
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The one that runs, else a new one from `installation`. Blocks for some milliseconds.
    pub(crate) fn shared(installation: &Installation) -> Result<Arc<Epmd>, StartError> {
        static CURRENT: Mutex<Weak<Epmd>> = Mutex::new(Weak::new());
        let mut current = CURRENT.lock().expect("nobody panics while holding this lock");
        if let Some(epmd) = current.upgrade() {
            return Ok(epmd);
        }
        let epmd = Arc::new(start(installation).map_err(StartError::io("start epmd"))?);
        *current = Arc::downgrade(&epmd);
        Ok(epmd)
    }
}

fn start(installation: &Installation) -> io::Result<Epmd> {
    let port = ports::free()?;
    let mut command = installation.kept_command("/usr/bin/epmd", None);
    command.args(["-port", &port.to_string(), "-address", "127.0.0.1"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = Kept::spawn(command)?;
    let give_up_at = Instant::now() + START_TIMEOUT;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if let Some(status) = process.try_wait()? {
            return Err(io::Error::other(format!("it ended ({status})")));
        }
        if Instant::now() >= give_up_at {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("it does not answer on port {port}")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(Epmd { port, _process: process })
}
