//! The certificates service: issues a certificate once, keeps it for ever, and tells whether a code is genuine.
//!
//! The contract:
//! - one certificate a contest, person and kind (a place, or participation). Asking again answers the same one, code
//!   and file, whatever the new request says: what is printed is kept as it was at issue;
//! - a code is never used twice, and a mistyped one is never another certificate's;
//! - a name in any script is printed, on every machine the same ([`pdf`]).
//!
//! Reading order: `code`, `validate`, [`pdf`], `store`, `state`, which puts them together, and [`service`], which
//! gives them to the wire.

mod code;
pub mod pdf;
mod state;
mod store;
mod validate;

use std::{path::Path, sync::Arc};

pub use state::State;
use warren_host::sqlite::OpenError;
use warren_proto::certificates::{Certificate, CodeRequest, Get, GetReply, Issue, IssueRequest, Verify, VerifyReply};
use warren_rpc::{Context, MethodOptions, Service, Status};

/// Requests that an instance reads from its store at a time: they wait for a disk, not for a processor.
const READS_AT_A_TIME: u16 = 16;

/// How the service runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// What stands before the code in the QR code and under it: visible ASCII, at most 120 bytes. With the address of
    /// a page that verifies codes (`https://contest.example/certificates/`) a telephone opens that page. A
    /// certificate keeps what it was issued with. Default: `warren:certificate:`.
    pub link_prefix: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { link_prefix: "warren:certificate:".to_owned() }
    }
}

/// A service that cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// [`Options::link_prefix`] is not fit for a QR code.
    #[error("link_prefix: must be visible ASCII without spaces, at most {bytes_max} bytes")]
    LinkPrefix {
        /// Most bytes it may have.
        bytes_max: usize,
    },
}

/// The service, with its store in `certificates.sqlite` of the directory, which must exist.
///
/// # Errors
///
/// If the store cannot be opened, or an option is wrong.
pub async fn service(data_dir: &Path, options: Options) -> Result<Service<State>, SetupError> {
    let state = Arc::new(State::open(data_dir, options).await?);
    let reads = MethodOptions { prefetch: Some(READS_AT_A_TIME) };
    Ok(Service::new("certificates", env!("CARGO_PKG_VERSION"), state)
        .method::<Issue, _, _>(issue)
        .method_with::<Get, _, _>(reads, get)
        .method_with::<Verify, _, _>(reads, verify))
}

async fn issue(state: Arc<State>, _: Context, request: IssueRequest) -> Result<Certificate, Status> {
    state.issue(request).await
}

async fn get(state: Arc<State>, _: Context, request: CodeRequest) -> Result<GetReply, Status> {
    state.get(&request.code).await
}

async fn verify(state: Arc<State>, _: Context, request: CodeRequest) -> Result<VerifyReply, Status> {
    state.verify(&request.code).await
}
