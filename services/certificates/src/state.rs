//! What the methods do, without the wire: issue once, give the file back, tell whether a code is genuine.

use std::{fmt, path::Path};

use sha2::{Digest, Sha256};
use tokio::task;
use warren_host::{clock, sqlite};
use warren_proto::{
    Blob,
    certificates::{Certificate, GetReply, IssueRequest, VerifyReply},
};
use warren_rpc::Status;

use crate::{
    Options, SetupError,
    code::{self, Code, Reading},
    pdf::{self, Content},
    store::{Kept, Store},
    validate::Draft,
};

/// Most codes tried for one certificate. The first is taken already once in 10^20 times.
const CODES_MAX: usize = 4;

/// Most bytes of [`Options::link_prefix`]: the QR code stays coarse enough for a telephone.
const LINK_PREFIX_BYTES_MAX: usize = 120;

type NewCode = fn() -> Result<Code, getrandom::Error>;

/// The service's state: its store, and how it makes codes and links.
pub struct State {
    store: Store,
    link_prefix: String,
    new_code: NewCode,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("link_prefix", &self.link_prefix).finish_non_exhaustive()
    }
}

impl State {
    /// Opens the store in the directory, and makes it if it is missing.
    ///
    /// # Errors
    ///
    /// If the store cannot be opened, or an option is wrong.
    pub async fn open(data_dir: &Path, options: Options) -> Result<Self, SetupError> {
        let Options { link_prefix } = options;
        if link_prefix.len() > LINK_PREFIX_BYTES_MAX || !link_prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SetupError::LinkPrefix { bytes_max: LINK_PREFIX_BYTES_MAX });
        }
        Ok(Self { store: Store::open(data_dir).await?, link_prefix, new_code: Code::generate })
    }

    /// Issues the certificate, or answers the one that was issued before, whatever the request prints now.
    ///
    /// # Errors
    ///
    /// `invalid_argument` names a wrong field; `unavailable` if the store fails.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has issued the certificate or it has not; asking again answers the same one either way.
    pub async fn issue(&self, request: IssueRequest) -> Result<Certificate, Status> {
        let draft = Draft::new(request)?;
        let before = self.store.issued(&draft.contest, &draft.person, draft.kind()).await;
        if let Some(before) = before.map_err(|error| sqlite::unavailable(&error))? {
            return Ok(before);
        }
        for _ in 0..CODES_MAX {
            let code = (self.new_code)().map_err(|error| failed("no random bytes", &error))?;
            let (certificate, pdf) = self.print(&draft, code).await?;
            let kept = self.store.keep(&certificate, &pdf).await;
            match kept.map_err(|error| sqlite::unavailable(&error))? {
                Kept::Stands(certificate) => return Ok(certificate),
                Kept::CodeTaken => tracing::warn!("a new verification code was taken: another is tried"),
            }
        }
        Err(Status::unavailable("no free verification code was found"))
    }

    /// Renders the draft under the code, on a blocking thread.
    async fn print(&self, draft: &Draft, code: Code) -> Result<(Certificate, Vec<u8>), Status> {
        let draft = draft.clone();
        let code = code.to_string();
        let link = format!("{}{code}", self.link_prefix);
        let printed = task::spawn_blocking(move || {
            let pdf = pdf::render(&Content {
                contest_title: &draft.contest_title,
                name: &draft.name,
                place: draft.place,
                date: draft.date,
                code: &code,
                link: &link,
            })?;
            Ok::<_, pdf::RenderError>((certificate(draft, code, &pdf), pdf))
        });
        let printed = printed.await.map_err(|error| failed("rendering ended early", &error))?;
        printed.map_err(|error| failed("rendering failed", &error))
    }

    /// Answers the certificate of this code with its file.
    ///
    /// # Errors
    ///
    /// `not_found` if no certificate of this code was issued here, or it is no code; `unavailable` if the store fails.
    pub async fn get(&self, code: &str) -> Result<GetReply, Status> {
        let certificate = self.find(code).await?.map_err(Status::not_found)?;
        let pdf = self.store.file(&certificate.code).await.map_err(|error| sqlite::unavailable(&error))?;
        let pdf = pdf.ok_or_else(|| Status::internal("the certificate's file is missing"))?;
        Ok(GetReply { certificate, pdf: Blob::from(pdf) })
    }

    /// Tells whether a certificate of this code was issued here, and if not, why a person may think so.
    ///
    /// # Errors
    ///
    /// `unavailable` if the store fails; a wrong code is an answer.
    pub async fn verify(&self, code: &str) -> Result<VerifyReply, Status> {
        Ok(match self.find(code).await? {
            Ok(certificate) => VerifyReply { valid: true, reason: None, certificate: Some(certificate) },
            Err(reason) => VerifyReply { valid: false, reason: Some(reason), certificate: None },
        })
    }

    /// The certificate of this code, or why there is none.
    async fn find(&self, code: &str) -> Result<Result<Certificate, String>, Status> {
        let code = match code::read(code) {
            Ok(Reading::Ours(code)) => code.to_string(),
            Ok(Reading::OmegaUp(code)) => {
                return Ok(Err(format!("code: {code} is a well-formed code of omegaUp's, but was not issued here")));
            }
            Err(error) => return Ok(Err(format!("code: {error}"))),
        };
        let found = self.store.of_code(&code).await.map_err(|error| sqlite::unavailable(&error))?;
        Ok(found.ok_or_else(|| format!("code: {code} is well formed, but no certificate of this code was issued here")))
    }
}

fn certificate(draft: Draft, code: String, pdf: &[u8]) -> Certificate {
    Certificate {
        code,
        kind: draft.kind(),
        contest: draft.contest,
        contest_title: draft.contest_title,
        person: draft.person,
        name: draft.name,
        place: draft.place,
        date: draft.date.to_string(),
        issued_at_ms: clock::now_ms(),
        pdf_sha256: Sha256::digest(pdf).iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// What a caller is told of a fault of ours; the log gets the cause.
fn failed(what: &'static str, error: &(dyn std::error::Error + 'static)) -> Status {
    tracing::error!(error, "{what}");
    Status::internal("the certificate could not be made")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn request(person: &str) -> IssueRequest {
        IssueRequest {
            contest: "spring".to_owned(),
            contest_title: "Spring Cup".to_owned(),
            person: person.to_owned(),
            name: "Ana".to_owned(),
            place: None,
            date: Some("2024-03-09".to_owned()),
        }
    }

    fn same_code() -> Result<Code, getrandom::Error> {
        let Ok(Reading::Ours(code)) = code::read("0123-4567-89BC-DFGM") else { unreachable!("it is well formed") };
        Ok(code)
    }

    /// The taken code twice, then new ones.
    fn unlucky() -> Result<Code, getrandom::Error> {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        if CALLS.fetch_add(1, Ordering::Relaxed) < 2 { same_code() } else { Code::generate() }
    }

    #[tokio::test]
    async fn a_taken_code_is_replaced_by_another() {
        let dir = tempfile::tempdir().unwrap();
        let mut state = State::open(dir.path(), Options::default()).await.unwrap();
        state.new_code = same_code;
        let first = state.issue(request("ana")).await.unwrap();
        state.new_code = unlucky;
        let second = state.issue(request("bo")).await.unwrap();
        assert_eq!(first.code, "0123-4567-89BC-DFGM");
        assert_ne!(first.code, second.code);
        assert_eq!(state.get(&first.code).await.unwrap().certificate, first);
    }

    #[tokio::test]
    async fn a_generator_that_repeats_itself_ends_the_call_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut state = State::open(dir.path(), Options::default()).await.unwrap();
        state.new_code = same_code;
        let first = state.issue(request("ana")).await.unwrap();
        let refused = state.issue(request("bo")).await.unwrap_err();
        assert_eq!(refused.code, warren_rpc::Code::Unavailable);
        assert_eq!(state.issue(request("ana")).await.unwrap(), first);
        state.store.close().await;
    }

    #[tokio::test]
    async fn a_link_prefix_that_no_qr_code_should_carry_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for prefix in ["x".repeat(LINK_PREFIX_BYTES_MAX + 1), "https://a b/".to_owned(), "https://é/".to_owned()] {
            let refused = State::open(dir.path(), Options { link_prefix: prefix }).await;
            assert!(matches!(refused, Err(SetupError::LinkPrefix { .. })));
        }
    }
}
