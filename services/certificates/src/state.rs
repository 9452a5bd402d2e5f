//! What the methods do, without the wire: issue once, give the file back, tell whether a code is genuine.

use std::{fmt, path::Path};

use tokio::task;
use warren_host::{clock, digest::sha256_hex, store::StoreError};
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
    pub(crate) async fn open(data_dir: &Path, options: Options) -> Result<Self, SetupError> {
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
    pub(crate) async fn issue(&self, request: IssueRequest) -> Result<Certificate, Status> {
        let draft = Draft::new(request)?;
        if let Some(before) = self.store.issued(&draft.contest, &draft.person, draft.kind()).await? {
            return Ok(before);
        }
        for _ in 0..CODES_MAX {
            let code = (self.new_code)().map_err(|error| failed("no random bytes", &error))?;
            let (certificate, pdf) = self.print(&draft, code).await?;
            match self.store.keep(&certificate, &pdf).await? {
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
    pub(crate) async fn get(&self, code: &str) -> Result<GetReply, Status> {
        let certificate = self.find(code).await?.map_err(Status::not_found)?;
        let pdf = self.store.file(&certificate.code).await?;
        let pdf = pdf.ok_or_else(|| StoreError::damaged(format!("{} has no file", certificate.code)))?;
        Ok(GetReply { certificate, pdf: Blob::from(pdf) })
    }

    /// Tells whether a certificate of this code was issued here, and if not, why a person may think so.
    ///
    /// # Errors
    ///
    /// `unavailable` if the store fails; a wrong code is an answer.
    pub(crate) async fn verify(&self, code: &str) -> Result<VerifyReply, Status> {
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
        let found = self.store.of_code(&code).await?;
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
        pdf_sha256: sha256_hex(pdf),
    }
}

/// What a caller is told of a fault of ours; the log gets the cause.
fn failed(what: &'static str, error: &(dyn std::error::Error + 'static)) -> Status {
    tracing::error!(error, "{what}");
    Status::internal("the certificate could not be made")
}

#[cfg(test)]
mod tests;
