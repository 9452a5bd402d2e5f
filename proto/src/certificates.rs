//! Certificates: issued once, kept for ever, checked by anybody who holds the code.

use serde::{Deserialize, Serialize};
use warren_rpc::{Effect, Method};

use crate::Blob;

/// Issues the certificate of one person in one contest, or answers the one that was issued before.
///
/// One per (contest, person, kind), for ever: what is printed stays as it was when first issued.
#[derive(Debug)]
pub struct Issue;

impl Method for Issue {
    const NAME: &'static str = "certificates.issue";
    const EFFECT: Effect = Effect::Repeatable;
    type Request = IssueRequest;
    type Reply = Certificate;
}

/// What [`Issue`] takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssueRequest {
    /// The contest's id: 1 to 32 of `A-Z a-z 0-9 _ -`.
    pub contest: String,
    /// The contest's name as printed: 1 to 200 characters, one of them visible, without control characters, line ends
    /// and bidirectional overrides.
    pub contest_title: String,
    /// The person's id, as on boards: 1 to 128 bytes without control characters.
    pub person: String,
    /// The person's name as printed, in any script, with the limits of `contest_title`.
    pub name: String,
    /// The place won, from 1; absent: the certificate is for participation.
    #[serde(default)]
    pub place: Option<u32>,
    /// The day printed, `YYYY-MM-DD` from the year 1; absent: today (UTC).
    #[serde(default)]
    pub date: Option<String>,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A place in a contest.
    Place,
    /// Having taken part.
    Participation,
}

/// A certificate without its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// What identifies it to anybody: printed on it, and in its QR code.
    pub code: String,
    /// What it is for.
    pub kind: Kind,
    /// The contest's id.
    pub contest: String,
    /// The contest's name as printed.
    pub contest_title: String,
    /// The person's id.
    pub person: String,
    /// The person's name as printed.
    pub name: String,
    /// The place as printed.
    pub place: Option<u32>,
    /// The day as printed.
    pub date: String,
    /// When it was first issued.
    pub issued_at_ms: i64,
    /// SHA-256 of the PDF, in hexadecimal.
    pub pdf_sha256: String,
}

/// Answers an issued certificate with its file.
#[derive(Debug)]
pub struct Get;

impl Method for Get {
    const NAME: &'static str = "certificates.get";
    const EFFECT: Effect = Effect::Repeatable;
    type Request = CodeRequest;
    type Reply = GetReply;
}

/// What [`Get`] and [`Verify`] take.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeRequest {
    /// The code, with or without separators, in any case.
    pub code: String,
}

/// What [`Get`] answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GetReply {
    /// What it says.
    pub certificate: Certificate,
    /// The file.
    pub pdf: Blob,
}

/// Tells whether a code is genuine, and what the certificate says, so that an edited file is found out.
#[derive(Debug)]
pub struct Verify;

impl Method for Verify {
    const NAME: &'static str = "certificates.verify";
    const EFFECT: Effect = Effect::Repeatable;
    type Request = CodeRequest;
    type Reply = VerifyReply;
}

/// What [`Verify`] answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VerifyReply {
    /// Whether a certificate of this code was issued here.
    pub valid: bool,
    /// Why not, for a person who mistyped: the check symbol is wrong, or nothing of that code was issued.
    pub reason: Option<String>,
    /// What it says.
    pub certificate: Option<Certificate>,
}
