//! TLS: what the broker proves itself by, and who a client is by its certificate.
//!
//! The cryptography is ring's, given by hand: a program may have another provider for itself, or none.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier, danger::ClientCertVerifier};
use rustls::{RootCertStore, crypto};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::StartError;
use crate::connection::control::Control;

/// As RabbitMQ's `ssl_handshake_timeout`. What AMQP's own handshake may take comes after it.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the broker listens for TLS, and with which certificates.
///
/// With [`TlsOptions::client_roots`], clients may log in by the mechanism EXTERNAL: the user is then the certificate's
/// common name (RabbitMQ's plugin `rabbitmq_auth_mechanism_ssl` with `ssl_cert_login_from = common_name`; its default
/// is the whole distinguished name), several of them joined by commas. It has to be one of
/// [`Options::users`](crate::Options::users), whose password is not asked for.
#[derive(Clone)]
pub struct TlsOptions {
    /// Where to listen. Default: any free port on 127.0.0.1.
    pub listen: SocketAddr,
    /// The broker's certificate and what leads from it to a root, as PEM, its own first.
    pub certificates: Vec<u8>,
    /// The certificate's private key, as PEM: PKCS #8, PKCS #1 or SEC 1.
    pub key: Vec<u8>,
    /// Whose signature on a client's certificate counts, as PEM. None, the default: no client is asked for a
    /// certificate.
    pub client_roots: Option<Vec<u8>>,
    /// Whether a client without a certificate is refused (RabbitMQ's `fail_if_no_peer_cert`). Default: false.
    pub require_client_certificate: bool,
}

impl TlsOptions {
    /// TLS on any free port of 127.0.0.1, by this certificate chain and key.
    #[must_use]
    pub fn new(certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> TlsOptions {
        TlsOptions {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            certificates: certificates.into(),
            key: key.into(),
            client_roots: None,
            require_client_certificate: false,
        }
    }
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the key.
        formatter
            .debug_struct("TlsOptions")
            .field("listen", &self.listen)
            .field("certificates", &self.certificates.len())
            .field("client_roots", &self.client_roots.as_ref().map(Vec::len))
            .field("require_client_certificate", &self.require_client_certificate)
            .finish_non_exhaustive()
    }
}

/// What a connection has of its transport.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Transport {
    pub(crate) is_tls: bool,
    /// The mechanism EXTERNAL is offered: to every TLS client where certificates are asked for, as RabbitMQ does, also
    /// to one without: it then reads that its login is refused, and not that there is no such mechanism.
    pub(crate) offers_external: bool,
    /// The common name in the client's certificate, which is verified.
    pub(crate) certificate_name: Option<String>,
}

/// Makes TLS of connections.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    asks_for_certificates: bool,
}

impl Tls {
    /// Reads the certificates.
    ///
    /// # Errors
    ///
    /// [`StartError::Tls`], which names the field.
    pub(crate) fn new(options: &TlsOptions) -> Result<Tls, StartError> {
        let provider = Arc::new(crypto::ring::default_provider());
        let chain = certificates("certificates", &options.certificates)?;
        let key = PrivateKeyDer::from_pem_slice(&options.key).map_err(|error| refused("key", error))?;
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| refused("certificates", error))?;
        let config = match client_verifier(options, provider)? {
            Some(verifier) => config.with_client_cert_verifier(verifier),
            None => config.with_no_client_auth(),
        };
        let config = config.with_single_cert(chain, key).map_err(|error| match error {
            rustls::Error::InvalidCertificate(_) => refused("certificates", error),
            error => refused("key", error),
        })?;
        Ok(Tls { acceptor: Arc::new(config).into(), asks_for_certificates: options.client_roots.is_some() })
    }

    /// Shakes hands.
    ///
    /// # Errors
    ///
    /// The client speaks no TLS, does not like the certificate, has none that counts, takes longer than it may, or was
    /// told to go.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        control: &Control,
    ) -> io::Result<(TlsStream<TcpStream>, Transport)> {
        let accepted = tokio::select! {
            accepted = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.acceptor.accept(stream)) => accepted,
            () = control.told_to_go() => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        let stream = accepted.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let transport = Transport {
            is_tls: true,
            offers_external: self.asks_for_certificates,
            certificate_name: certificate.and_then(common_name),
        };
        Ok((stream, transport))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").finish_non_exhaustive()
    }
}

fn refused(field: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StartError {
    StartError::Tls { field, source: source.into() }
}

fn certificates(field: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let list: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| refused(field, error))?;
    if list.is_empty() { Err(refused(field, "it holds no certificate in PEM")) } else { Ok(list) }
}

fn client_verifier(
    options: &TlsOptions,
    provider: Arc<crypto::CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, StartError> {
    let Some(pem) = &options.client_roots else {
        if options.require_client_certificate {
            return Err(refused("require_client_certificate", "client_roots must say whose certificates count"));
        }
        return Ok(None);
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates("client_roots", pem)? {
        roots.add(certificate).map_err(|error| refused("client_roots", error))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if options.require_client_certificate { builder } else { builder.allow_unauthenticated() };
    builder.build().map(Some).map_err(|error| refused("client_roots", error))
}

/// The common names of the certificate's subject, joined by commas as RabbitMQ joins them.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let names: Option<Vec<&str>> =
        certificate.subject().iter_common_name().map(|attribute| attribute.as_str().ok()).collect();
    names.filter(|names| !names.is_empty()).map(|names| names.join(","))
}
