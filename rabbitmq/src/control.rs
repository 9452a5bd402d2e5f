//! What can be done to a running node: commands, vhosts, stops and faults.

use std::process::Stdio;
use std::sync::atomic::Ordering;

use nix::sys::signal::Signal;

use crate::{ControlError, Node, StartError, launch};

impl Node {
    /// Runs `rabbitmqctl` against this node (half a second) and returns what it printed on standard output, without its
    /// headings.
    ///
    /// ```no_run
    /// # use warren_rabbitmq::{ControlError, Node};
    /// # async fn example(first: Node, second: Node) -> Result<(), ControlError> {
    /// second.ctl(&["stop_app"]).await?;
    /// second.ctl(&["join_cluster", first.name()]).await?;
    /// second.ctl(&["start_app"]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ControlError::Refused`] with everything that it printed, if it failed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future kills `rabbitmqctl`; the node may have done what it asked.
    pub async fn ctl(&self, arguments: &[&str]) -> Result<String, ControlError> {
        let mut command = launch::ctl(&self.installation, &self.identity);
        command.arg("--silent").args(arguments);
        command.stdin(Stdio::null());
        let mut command = tokio::process::Command::from(command);
        let output = command.process_group(0).kill_on_drop(true).output().await?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(printed);
        }
        Err(ControlError::Refused {
            arguments: arguments.join(" "),
            status: output.status.to_string(),
            output: printed + &String::from_utf8_lossy(&output.stderr),
        })
    }

    /// Makes a fresh vhost and returns its address. `name` is for people who read a log; what is not an ASCII letter,
    /// digit or hyphen in it becomes a hyphen, and a number makes it unique.
    ///
    /// # Errors
    ///
    /// As [`Node::ctl`].
    ///
    /// # Cancel safety
    ///
    /// As [`Node::ctl`].
    pub async fn vhost(&self, name: &str) -> Result<String, ControlError> {
        Ok(self.vhosts(name, 1).await?.remove(0))
    }

    /// Makes so many fresh vhosts of one name, in little more than the time of one: what takes it is `rabbitmqctl`'s
    /// start. For tests that each want a vhost.
    ///
    /// # Errors
    ///
    /// As [`Node::ctl`].
    ///
    /// # Cancel safety
    ///
    /// As [`Node::ctl`].
    pub async fn vhosts(&self, name: &str, count: usize) -> Result<Vec<String>, ControlError> {
        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let mut names = Vec::with_capacity(count);
        for _ in 0..count {
            let number = self.vhosts.fetch_add(1, Ordering::Relaxed);
            names.push(format!("{name}-{number}-{:04x}", getrandom::u32().map_err(std::io::Error::other)? & 0xffff));
        }
        let binaries: Vec<String> = names.iter().map(|name| format!(r#"<<"{name}">>"#)).collect();
        // One expression instead of an `add_vhost` and a `set_permissions` each.
        let expression = format!(
            r#"[begin
                   ok = rabbit_vhost:add(Name, <<"warren">>),
                   ok = rabbit_auth_backend_internal:set_permissions(
                       <<"guest">>, Name, <<".*">>, <<".*">>, <<".*">>, <<"warren">>)
               end || Name <- [{}]]."#,
            binaries.join(", ")
        );
        self.ctl(&["eval", &expression]).await?;
        Ok(names.iter().map(|name| self.url_of_vhost(name)).collect())
    }

    /// Kills the node (SIGKILL) and waits for its end. [`Node::start_again`] brings it back.
    ///
    /// # Errors
    ///
    /// [`ControlError::NotRunning`].
    pub async fn kill(&self) -> Result<(), ControlError> {
        let mut process = self.process.lock().await.take().ok_or(ControlError::NotRunning)?;
        process.kill();
        Ok(())
    }

    /// Freezes the node (SIGSTOP): connections stay open and nobody answers, as if the network had swallowed it.
    ///
    /// # Errors
    ///
    /// [`ControlError::NotRunning`].
    pub async fn pause(&self) -> Result<(), ControlError> {
        self.signal(Signal::SIGSTOP).await
    }

    /// Lets a frozen node go on (SIGCONT).
    ///
    /// # Errors
    ///
    /// [`ControlError::NotRunning`].
    pub async fn resume(&self) -> Result<(), ControlError> {
        self.signal(Signal::SIGCONT).await
    }

    async fn signal(&self, signal: Signal) -> Result<(), ControlError> {
        let mut slot = self.process.lock().await;
        let process = slot.as_mut().ok_or(ControlError::NotRunning)?;
        if process.try_wait()?.is_some() {
            return Err(ControlError::NotRunning);
        }
        Ok(process.signal(signal)?)
    }

    /// Stops the node cleanly: about a second, [`crate::NodeOptions::stop_timeout`] at most. A node that does not run
    /// is left alone.
    ///
    /// # Errors
    ///
    /// [`ControlError::Io`] if the process cannot be signalled.
    ///
    /// # Cancel safety
    ///
    /// The stop goes on in the background.
    pub async fn stop(&self) -> Result<(), ControlError> {
        let Some(mut process) = self.process.lock().await.take() else { return Ok(()) };
        let timeout = self.options.stop_timeout;
        tokio::task::spawn_blocking(move || match process.try_wait()? {
            Some(_) => Ok(()),
            None => process.terminate(timeout),
        })
        .await
        .expect("stopping a node does not panic, and the runtime is alive")?;
        Ok(())
    }

    /// Stops the node cleanly and starts it on the same port and data. Durable queues and persistent messages survive
    /// it.
    ///
    /// # Errors
    ///
    /// As [`Node::start`].
    pub async fn restart(&self) -> Result<(), StartError> {
        self.stop().await.map_err(|error| StartError::Io {
            what: "stop the node".to_owned(),
            source: std::io::Error::other(error),
        })?;
        self.start_again().await
    }

    /// The node's process id, while it runs.
    pub async fn process_id(&self) -> Option<u32> {
        self.process.lock().await.as_ref().map(crate::keeper::Kept::id)
    }
}
