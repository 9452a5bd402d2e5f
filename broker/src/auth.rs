//! Who may do what: users, their permissions, and the SASL mechanisms that a client proves itself by.

use std::fmt;
use std::sync::Arc;

use amq_protocol::types::{AMQPValue, parsing::parse_field_table};
use regex::Regex;

use crate::StartError;
use crate::options::{Permissions, UserOptions};

/// A user, with its permissions compiled. Its `Debug` leaves the password out.
pub(crate) struct User {
    pub(crate) name: String,
    password: String,
    /// By vhost. None: everything, everywhere.
    permissions: Option<Vec<(String, Rules)>>,
}

#[derive(Debug)]
struct Rules {
    configure: Regex,
    write: Regex,
    read: Regex,
}

/// What a method does to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Configure,
    Write,
    Read,
}

impl fmt::Debug for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let User { name, permissions, password: _ } = self;
        formatter.debug_struct("User").field("name", name).field("permissions", permissions).finish_non_exhaustive()
    }
}

impl User {
    /// Compiles the permissions.
    ///
    /// # Errors
    ///
    /// [`StartError::Permission`].
    pub(crate) fn new(options: &UserOptions) -> Result<User, StartError> {
        let permissions = options
            .permissions
            .as_ref()
            .map(|list| list.iter().map(|(vhost, rules)| Ok((vhost.clone(), compile(&options.name, rules)?))).collect())
            .transpose()?;
        Ok(User { name: options.name.clone(), password: options.password.clone(), permissions })
    }

    fn rules(&self, vhost: &str) -> Option<&Rules> {
        self.permissions.as_ref()?.iter().find(|(name, _)| name == vhost).map(|(_, rules)| rules)
    }

    /// Whether the user may do everything, everywhere.
    #[cfg(feature = "http")]
    pub(crate) fn is_administrator(&self) -> bool {
        self.permissions.is_none()
    }

    pub(crate) fn may_enter(&self, vhost: &str) -> bool {
        self.permissions.is_none() || self.rules(vhost).is_some()
    }

    /// Whether the user may do it. The default exchange is asked for as `amq.default`, as in RabbitMQ.
    pub(crate) fn may(&self, access: Access, vhost: &str, resource: &str) -> bool {
        if self.permissions.is_none() {
            return true;
        }
        let Some(rules) = self.rules(vhost) else { return false };
        let resource = if resource.is_empty() { "amq.default" } else { resource };
        match access {
            Access::Configure => rules.configure.is_match(resource),
            Access::Write => rules.write.is_match(resource),
            Access::Read => rules.read.is_match(resource),
        }
    }
}

fn compile(user: &str, permissions: &Permissions) -> Result<Rules, StartError> {
    let regex = |pattern: &str| {
        // RabbitMQ reads an empty pattern as one that matches nothing.
        let effective = if pattern.is_empty() { "^$" } else { pattern };
        Regex::new(effective).map_err(|source| StartError::Permission {
            user: user.to_owned(),
            pattern: pattern.to_owned(),
            source: Box::new(source),
        })
    };
    Ok(Rules {
        configure: regex(&permissions.configure)?,
        write: regex(&permissions.write)?,
        read: regex(&permissions.read)?,
    })
}

/// The mechanism by which a client is who its certificate says.
pub(crate) const EXTERNAL: &str = "EXTERNAL";

/// The mechanisms that are offered.
pub(crate) fn mechanisms(with_external: bool) -> &'static str {
    if with_external { "PLAIN AMQPLAIN EXTERNAL" } else { "PLAIN AMQPLAIN" }
}

/// Name and password in a SASL response, if the mechanism is known and the response is one of it.
pub(crate) fn credentials(mechanism: &str, response: &[u8]) -> Option<(String, String)> {
    match mechanism {
        "PLAIN" => {
            let mut parts = response.split(|byte| *byte == 0);
            let (_authorize_as, name, password) = (parts.next()?, parts.next()?, parts.next()?);
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
            if parts.next().is_some() { None } else { Some((text(name)?, text(password)?)) }
        }
        "AMQPLAIN" => {
            if crate::wire::nesting::too_deep(response) {
                return None;
            }
            // A table without its length field.
            let length = u32::try_from(response.len()).ok()?.to_be_bytes();
            let bytes = [&length[..], response].concat();
            let (_, table) = parse_field_table(&bytes[..]).ok()?;
            let text = |name: &str| match table.inner().get(name)? {
                AMQPValue::LongString(text) => Some(text.to_string()),
                _ => None,
            };
            Some((text("LOGIN")?, text("PASSWORD")?))
        }
        _ => None,
    }
}

/// The user of this name.
pub(crate) fn named<'a>(users: &'a [Arc<User>], name: &str) -> Option<&'a Arc<User>> {
    users.iter().find(|user| user.name == name)
}

/// The user of this name, if the password is right.
pub(crate) fn find<'a>(users: &'a [Arc<User>], name: &str, password: &str) -> Option<&'a Arc<User>> {
    named(users, name).filter(|user| user.password == password)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(configure: &str, write: &str) -> User {
        let permissions = Permissions { configure: configure.to_owned(), write: write.to_owned(), read: String::new() };
        User::new(&UserOptions::new("u", "p").permitted("/", permissions)).unwrap()
    }

    #[test]
    fn permissions_are_asked_for_the_vhost_and_the_resource() {
        let user = user("^mine-", "amq\\.default");
        assert!(user.may(Access::Configure, "/", "mine-q"));
        assert!(!user.may(Access::Configure, "/", "yours"));
        assert!(user.may(Access::Write, "/", ""));
        assert!(!user.may(Access::Read, "/", "mine-q"));
        assert!(!user.may(Access::Configure, "other", "mine-q"));
        assert!(user.may_enter("/") && !user.may_enter("other"));
    }

    #[test]
    fn a_password_is_not_shown() {
        let user = User::new(&UserOptions::new("someone", "hunter2")).unwrap();
        let shown = format!("{user:?}");
        assert!(shown.contains("someone") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn both_mechanisms_are_read() {
        let expected = Some(("guest".to_owned(), "secret".to_owned()));
        assert_eq!(credentials("PLAIN", b"\0guest\0secret"), expected);
        let table = b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x06secret";
        assert_eq!(credentials("AMQPLAIN", table), expected);
        assert_eq!(credentials("PLAIN", b"guest"), None);
        assert_eq!(credentials("EXTERNAL", b""), None);
    }
}
