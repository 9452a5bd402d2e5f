//! Who looks: HTTP Basic with the broker's users, as RabbitMQ's management plugin has it.
//!
//! A user without permissions of its own sees everything, as RabbitMQ's tag `administrator`; one that is confined to
//! vhosts sees those, and its own connections, as the tag `management`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{App, error, not_found};
use crate::auth::{self, User};
use crate::vhost::Vhost;

/// A user who signed in.
#[derive(Debug)]
pub(super) struct Viewer(pub(super) Arc<User>);

impl FromRequestParts<Arc<App>> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Viewer, Response> {
        let Some(authorization) = parts.headers.get(header::AUTHORIZATION) else {
            return Err(challenge(StatusCode::UNAUTHORIZED.into_response()));
        };
        let credentials = credentials(authorization);
        match credentials.and_then(|(name, password)| auth::find(&app.shared.users, &name, &password)) {
            Some(user) => {
                app.logins.fetch_add(1, Ordering::Relaxed);
                Ok(Viewer(Arc::clone(user)))
            }
            None => {
                app.failed_logins.fetch_add(1, Ordering::Relaxed);
                Err(challenge(error(StatusCode::UNAUTHORIZED, "not_authorized", "Login failed")))
            }
        }
    }
}

impl Viewer {
    pub(super) fn tags(&self) -> [&'static str; 1] {
        if self.0.is_administrator() { ["administrator"] } else { ["management"] }
    }

    /// Whether what `user` does is shown: its connections, channels and consumers.
    pub(super) fn sees_user(&self, user: &str) -> bool {
        self.0.is_administrator() || self.0.name == user
    }

    /// Refuses who may not see everything.
    #[expect(clippy::result_large_err, reason = "it is an answer, made once a request")]
    pub(super) fn check_administrator(&self, refusal: &str) -> Result<(), Response> {
        if self.0.is_administrator() {
            return Ok(());
        }
        Err(error(StatusCode::UNAUTHORIZED, "not_authorised", refusal))
    }

    /// The vhosts that the viewer may enter, by name: all of those, or the one that is asked for.
    #[expect(clippy::result_large_err, reason = "it is an answer, made once a request")]
    pub(super) fn vhosts<'a>(&self, app: &'a App, asked: Option<&str>) -> Result<Vec<(&'a str, &'a Vhost)>, Response> {
        let mut vhosts = app.shared.vhosts();
        if let Some(asked) = asked {
            vhosts.retain(|(name, _)| *name == asked);
            if vhosts.is_empty() {
                return Err(not_found());
            }
            if !self.0.may_enter(asked) {
                let reason = "User not authorised to access virtual host";
                return Err(error(StatusCode::UNAUTHORIZED, "not_authorised", reason));
            }
        }
        vhosts.retain(|(name, _)| self.0.may_enter(name));
        Ok(vhosts)
    }
}

/// Asks for name and password.
fn challenge(mut response: Response) -> Response {
    let realm = HeaderValue::from_static("Basic realm=\"RabbitMQ Management\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
    response
}

fn credentials(authorization: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = authorization.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_may_have_a_colon() {
        // a:b:c
        let read = |text| credentials(&HeaderValue::from_static(text));
        assert_eq!(read("Basic YTpiOmM="), Some(("a".to_owned(), "b:c".to_owned())));
        assert_eq!(read("basic YTpiOmM="), read("Basic YTpiOmM="));
        for wrong in ["Basic", "Basic %", "Basic YQ==", "Bearer YTpiOmM=", ""] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
