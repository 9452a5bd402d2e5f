//! TLS, and logins by certificate: on the embedded broker, and most of it on a RabbitMQ with the same certificates.

mod authority;
mod stalled;

use std::net::SocketAddr;

use lapin::options::*;
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::{BasicProperties, Connection, ConnectionProperties, DefaultConnectionBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use warren_broker::{Broker, Options, StartError, TlsOptions};
use warren_rabbitmq::{Node, NodeOptions};

use crate::harness::*;
use authority::Authority;

const REFUSED: &str = "ACCESS_REFUSED - Login was refused using authentication mechanism EXTERNAL. \
                       For details see the broker logfile.";

/// A broker with TLS, and who signed its certificate and its clients'.
struct Secured {
    authority: Authority,
    plain: SocketAddr,
    tls: SocketAddr,
    embedded: Option<Broker>,
}

impl Secured {
    async fn embedded(change: impl FnOnce(&mut TlsOptions)) -> Secured {
        let authority = Authority::new();
        let (certificate, key) = authority.certificate("a broker");
        let mut tls = TlsOptions { client_roots: Some(authority.pem().into()), ..TlsOptions::new(certificate, key) };
        change(&mut tls);
        let broker = Broker::start(Options { tls: Some(tls), ..Options::default() }).await.unwrap();
        let (plain, tls) = (broker.address(), broker.tls_address().unwrap());
        Secured { authority, plain, tls, embedded: Some(broker) }
    }

    /// A client of whom the broker sees `certificate`, if there is one.
    async fn connect(&self, query: &str, certificate: Option<(String, String)>) -> lapin::Result<Connection> {
        let url = format!("amqps://guest:guest@{}/%2f{query}", self.tls);
        let identity = certificate.map(|(pem, key)| OwnedIdentity::PKCS8 { pem: pem.into(), key: key.into() });
        let config = OwnedTLSConfig { identity, cert_chain: Some(self.authority.pem()) };
        soon("a connection", DefaultConnectionBuilder::new()?.with_uri_str(url).with_tls_config(config).connect()).await
    }

    async fn external(&self, certificate: Option<(String, String)>) -> lapin::Result<Connection> {
        self.connect("?auth_mechanism=external", certificate).await
    }

    /// What is answered to bytes on an address until its end.
    async fn answer(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // It may be reset after the answer.
        let _ = soon("the end", stream.read_to_end(&mut answer)).await;
        answer
    }
}

#[tokio::test]
async fn embedded() {
    let target = Secured::embedded(|_| {}).await;
    all(&target).await;
}

#[tokio::test]
async fn rabbitmq() {
    if warren_rabbitmq::testing::skip_without_rabbitmq() {
        return;
    }
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.certificate("a broker");
    let path = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(path("roots.pem"), authority.pem()).unwrap();
    std::fs::write(path("certificate.pem"), certificate).unwrap();
    std::fs::write(path("key.pem"), key).unwrap();
    std::fs::write(path("enabled_plugins"), "[rabbitmq_auth_mechanism_ssl].").unwrap();
    let tls = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let configuration = vec![
        format!("listeners.ssl.1 = {tls}"),
        format!("ssl_options.cacertfile = {}", path("roots.pem")),
        format!("ssl_options.certfile = {}", path("certificate.pem")),
        format!("ssl_options.keyfile = {}", path("key.pem")),
        "ssl_options.verify = verify_peer".to_owned(),
        "ssl_options.fail_if_no_peer_cert = false".to_owned(),
        "ssl_cert_login_from = common_name".to_owned(),
        "auth_mechanisms.1 = PLAIN".to_owned(),
        "auth_mechanisms.2 = AMQPLAIN".to_owned(),
        "auth_mechanisms.3 = EXTERNAL".to_owned(),
    ];
    let options = NodeOptions { directory: Some(directory.path().to_owned()), configuration, ..NodeOptions::default() };
    let node = Node::start(options).await.unwrap();
    let target = Secured { authority, plain: SocketAddr::from(([127, 0, 0, 1], node.port())), tls, embedded: None };
    all(&target).await;
    node.stop().await.unwrap();
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn all(target: &Secured) {
    a_client_logs_in_by_password_and_sends(target).await;
    a_client_logs_in_by_certificate(target).await;
    a_certificate_of_nobody_is_refused(target).await;
    external_without_a_certificate_is_refused(target).await;
    external_without_tls_is_not_offered(target).await;
    a_certificate_that_nobody_vouches_for_is_refused(target).await;
    other_bytes_on_the_tls_port_end_the_connection(target).await;
    tls_on_the_plain_port_is_answered_with_the_protocol_header(target).await;
}

async fn a_client_logs_in_by_password_and_sends(target: &Secured) {
    let connection = target.connect("", None).await.unwrap();
    if let Some(broker) = &target.embedded {
        let infos = broker.connections();
        assert_eq!(
            infos.iter().map(|info| (info.tls, info.user.as_deref())).collect::<Vec<_>>(),
            [(true, Some("guest"))]
        );
    }
    let channel = connection.create_channel().await.unwrap();
    declare_durable(&channel, "over-tls", table([])).await;
    confirms(&channel).await;
    // Many records of TLS, more than the sockets take at once, both ways.
    let body = "x".repeat(8 << 20);
    for _ in 0..3 {
        assert!(is_ack(&publish(&channel, "over-tls", &body).await));
    }
    let mut consumer = consume(&channel, "over-tls").await;
    for _ in 0..3 {
        let delivery = next(&mut consumer).await;
        assert!(delivery.data == body.as_bytes());
        delivery.ack(BasicAckOptions::default()).await.unwrap();
    }
    connection.close(200, "".into()).await.unwrap();
}

async fn a_client_logs_in_by_certificate(target: &Secured) {
    let connection = target.external(Some(target.authority.certificate("guest"))).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    confirms(&channel).await;
    let sender = BasicProperties::default().with_user_id("guest".into());
    declare_durable(&channel, "by-certificate", table([])).await;
    assert!(is_ack(&publish_with(&channel, "", "by-certificate", "x", sender).await));
    connection.close(200, "".into()).await.unwrap();
}

async fn a_certificate_of_nobody_is_refused(target: &Secured) {
    let refused = target.external(Some(target.authority.certificate("nobody"))).await;
    assert_eq!(refusal(refused), (403, REFUSED.to_owned()));
}

async fn external_without_a_certificate_is_refused(target: &Secured) {
    assert_eq!(refusal(target.external(None).await), (403, REFUSED.to_owned()));
}

async fn external_without_tls_is_not_offered(target: &Secured) {
    let mut script = b"AMQP\0\0\x09\x01".to_vec();
    let start = [&[0, 10, 0, 11, 0, 0, 0, 0, 8][..], b"EXTERNAL", &[0, 0, 0, 0, 5], b"en_US"].concat();
    script.extend([&[1, 0, 0, 0, 0, 0][..], &[u8::try_from(start.len()).unwrap()], &start, &[0xCE]].concat());
    let answer = Secured::answer(target.plain, &script).await;
    let contains = |text: &[u8]| answer.windows(text.len()).any(|window| window == text);
    assert!(contains(b"PLAIN") && !contains(b" EXTERNAL"), "{}", String::from_utf8_lossy(&answer));
    assert!(!contains(b"COMMAND_INVALID"), "a stranger is not told why it is cut off");
}

async fn a_certificate_that_nobody_vouches_for_is_refused(target: &Secured) {
    let stranger = Authority::new().certificate("guest");
    assert!(target.external(Some(stranger)).await.is_err());
    // The other way round: a client that does not know the broker's authority.
    let url = format!("amqps://guest:guest@{}/%2f", target.tls);
    let refused = soon("a refusal", Connection::connect(&url, ConnectionProperties::default())).await;
    assert!(refused.is_err());
}

async fn other_bytes_on_the_tls_port_end_the_connection(target: &Secured) {
    for bytes in [&b"AMQP\0\0\x09\x01"[..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 300]] {
        let answer = Secured::answer(target.tls, bytes).await;
        // An alert of TLS at most.
        assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    }
}

async fn tls_on_the_plain_port_is_answered_with_the_protocol_header(target: &Secured) {
    let hello = [&[22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3][..], &[7; 194]].concat();
    assert_eq!(Secured::answer(target.plain, &hello).await, b"AMQP\0\0\x09\x01");
}

#[tokio::test]
async fn a_certificate_can_be_required() {
    let target = Secured::embedded(|tls| tls.require_client_certificate = true).await;
    assert!(target.connect("", None).await.is_err());
    let named = Some(target.authority.certificate("guest"));
    target.connect("", named.clone()).await.unwrap();
    target.external(named).await.unwrap();
}

#[tokio::test]
async fn where_no_certificate_is_asked_for_external_is_not_offered() {
    let target = Secured::embedded(|tls| tls.client_roots = None).await;
    target.connect("", None).await.unwrap();
    let refused = target.external(Some(target.authority.certificate("guest"))).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn a_restart_listens_for_tls_again() {
    let target = Secured::embedded(|_| {}).await;
    let broker = target.embedded.as_ref().unwrap();
    // One that is still shaking hands is told to go as well.
    let _silent = TcpStream::connect(target.tls).await.unwrap();
    let _connected = target.connect("", None).await.unwrap();
    eventually("both connections", || async { broker.connections().len() == 2 }).await;
    soon("the restart", broker.restart(warren_broker::Survives::Nothing, std::time::Duration::ZERO)).await.unwrap();
    assert_eq!(broker.tls_address(), Some(target.tls));
    target.connect("", None).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_is_named() {
    let authority = Authority::new();
    let (certificate, key) = authority.certificate("a broker");
    let (_, other_key) = authority.certificate("another");
    let good = TlsOptions::new(certificate, key);
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cases = [
        (TlsOptions { certificates: Vec::new(), ..good.clone() }, "tls.certificates: it holds no certificate in PEM"),
        (TlsOptions { certificates: broken.into(), ..good.clone() }, "tls.certificates: "),
        (TlsOptions { key: b"no key".into(), ..good.clone() }, "tls.key: "),
        (TlsOptions { key: other_key.into(), ..good.clone() }, "tls.key: keys may not be consistent"),
        (TlsOptions { client_roots: Some(broken.into()), ..good.clone() }, "tls.client_roots: "),
        (TlsOptions { require_client_certificate: true, ..good.clone() }, "tls.require_client_certificate: "),
    ];
    for (tls, expected) in cases {
        let error = Broker::start(Options { tls: Some(tls), ..Options::default() }).await.unwrap_err();
        assert!(matches!(error, StartError::Tls { .. }));
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    assert!(!format!("{good:?}").contains("PRIVATE"));
}
