//! The command lines: where an installation's programs are, and the environment that makes a node private.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::keeper::dying_with_us;
use crate::{Flavour, NodeOptions, StartError, ports, trixie};

/// The script that runs the server as whoever calls it. The one in `/usr/sbin` switches to another user.
pub(crate) const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
pub(crate) const CTL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";

/// Keeps Erlang's own connections on loopback.
const LOOPBACK: &str = "-kernel inet_dist_use_interface {127,0,0,1}";

/// Where RabbitMQ's programs are.
#[derive(Debug, Clone)]
pub(crate) enum Installation {
    /// In this machine's own file system.
    Machine,
    /// In this root directory, entered with `chroot`.
    Root(PathBuf),
}

impl Installation {
    pub(crate) fn find(flavour: Flavour) -> Result<Installation, StartError> {
        match flavour {
            Flavour::Debian if Path::new(SERVER).exists() => Ok(Installation::Machine),
            Flavour::Debian => Err(StartError::NotInstalled {
                program: SERVER.into(),
                hint: "install Debian's package rabbitmq-server",
            }),
            Flavour::Trixie => {
                let root = trixie::root().map_err(StartError::io("find the user's cache directory"))?;
                match trixie::is_installed(&root) {
                    true => Ok(Installation::Root(root)),
                    false => Err(StartError::NotInstalled {
                        program: root.join(SERVER.trim_start_matches('/')),
                        hint: "run `cargo xtask broker --rabbitmq 4` once, as root",
                    }),
                }
            }
        }
    }

    /// `program` of this installation, for a process that lives as long as a node. `directory` is the node's, if the
    /// program needs it.
    pub(crate) fn kept_command(&self, program: &str, directory: Option<&Path>) -> Command {
        match self {
            Installation::Machine => without_foreign_settings(dying_with_us(program)),
            Installation::Root(root) => {
                let mut command = dying_with_us("unshare");
                trixie::enter(&mut command, root, directory, program);
                without_foreign_settings(command)
            }
        }
    }

    /// `program` of this installation, for a short command.
    pub(crate) fn brief_command(&self, program: &str, directory: &Path) -> Command {
        match self {
            Installation::Machine => without_foreign_settings(Command::new(program)),
            Installation::Root(root) => {
                let mut command = Command::new("unshare");
                trixie::enter(&mut command, root, Some(directory), program);
                without_foreign_settings(command)
            }
        }
    }

    /// How the node's programs see its directory.
    fn seen_as<'d>(&self, directory: &'d Path) -> &'d Path {
        match self {
            Installation::Machine => directory,
            Installation::Root(_) => Path::new(trixie::NODE_DIRECTORY),
        }
    }
}

/// What tells one node from another.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
    pub(crate) epmd_port: u16,
    pub(crate) distribution_port: u16,
}

/// The server's command. The process that it starts *is* the node: every script on the way uses `exec`.
pub(crate) fn server(installation: &Installation, identity: &Identity, options: &NodeOptions) -> Command {
    let mut command = installation.kept_command(SERVER, Some(&identity.directory));
    set_environment(&mut command, installation, identity);
    let schedulers = options.schedulers.map(|count| format!(" +S {count}:{count}")).unwrap_or_default();
    command
        // Without this the script stays as a parent. What it promises, a shell on standard input, is taken back by
        // -noinput; +B i ignores SIGINT.
        .env("RABBITMQ_ALLOW_INPUT", "1")
        .env("RABBITMQ_SERVER_START_ARGS", "-noinput +B i")
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", format!("{LOOPBACK}{schedulers}"));
    command
}

/// `rabbitmqctl` for this node.
pub(crate) fn ctl(installation: &Installation, identity: &Identity) -> Command {
    let mut command = installation.brief_command(CTL, &identity.directory);
    set_environment(&mut command, installation, identity);
    command
        .env("RABBITMQ_CTL_DIST_PORT_MIN", ports::CTL_FIRST.to_string())
        .env("RABBITMQ_CTL_DIST_PORT_MAX", ports::CTL_LAST.to_string())
        .env("RABBITMQ_CTL_ERL_ARGS", LOOPBACK);
    command
}

fn set_environment(command: &mut Command, installation: &Installation, identity: &Identity) {
    let directory = installation.seen_as(&identity.directory);
    command
        .env("HOME", directory.join("home"))
        .env("ERL_CRASH_DUMP", directory.join("erl_crash.dump"))
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("ERL_EPMD_PORT", identity.epmd_port.to_string())
        // Ours runs before any node. Were it gone (this program was killed while a node starts), RabbitMQ's helper
        // processes would start another as a daemon, which nobody would ever end.
        .env("ERL_ZFLAGS", "-start_epmd false")
        .env("RABBITMQ_NODENAME", &identity.name)
        .env("RABBITMQ_DIST_PORT", identity.distribution_port.to_string())
        .env("RABBITMQ_CONFIG_FILE", directory.join("rabbitmq.conf"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", directory.join("advanced.config"))
        // The machine's own file would be read otherwise; this one does not exist.
        .env("RABBITMQ_CONF_ENV_FILE", directory.join("rabbitmq-env.conf"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", directory.join("enabled_plugins"))
        .env("RABBITMQ_GENERATED_CONFIG_DIR", directory.join("generated"))
        .env("RABBITMQ_MNESIA_BASE", directory.join("data"))
        .env("RABBITMQ_LOG_BASE", directory)
        .env("RABBITMQ_LOGS", "-");
}

/// The text of `rabbitmq.conf`.
pub(crate) fn configuration(port: u16, more: &[String]) -> String {
    let mut text = format!("listeners.tcp.1 = 127.0.0.1:{port}\n");
    for line in more {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Takes away what the caller's environment says about some other node.
fn without_foreign_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if let Some(text) = name.to_str()
            && (text.starts_with("RABBITMQ_") || text.starts_with("ERL_"))
        {
            command.env_remove(text);
        }
    }
    command.current_dir("/");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_listens_on_loopback_and_ends_with_the_callers_lines() {
        let text = configuration(26_001, &["consumer_timeout = 2000".to_owned()]);
        assert_eq!(text, "listeners.tcp.1 = 127.0.0.1:26001\nconsumer_timeout = 2000\n");
    }

    #[test]
    fn a_node_in_a_root_directory_sees_its_own_under_a_fixed_path() {
        let identity = Identity {
            name: "warren-1@localhost".to_owned(),
            directory: "/somewhere".into(),
            epmd_port: 26_002,
            distribution_port: 26_003,
        };
        let command = server(&Installation::Root("/root-directory".into()), &identity, &NodeOptions::default());
        let home = command.get_envs().find(|(name, _)| *name == "HOME").and_then(|(_, value)| value).unwrap();
        assert_eq!(Path::new(home), Path::new(trixie::NODE_DIRECTORY).join("home"));
        assert_eq!(command.get_program(), "setpriv");
    }
}
