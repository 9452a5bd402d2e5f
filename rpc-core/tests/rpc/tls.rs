//! TLS and logins by certificate, on the embedded broker: what a RabbitMQ makes of the same certificates is the
//! broker's own tests' to show.

use futures::future::join_all;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use warren_broker::{Broker, Options};
use warren_rpc::{
    Client, ClientOptions, ConnectError, Context, Effect, Method, ServeOptions, Service, Status, TlsIdentity,
    TlsOptions,
};

use super::harness::*;

/// Larger than a record of TLS, and than what lapin reads at once.
const TEXT_BYTES: usize = 200_000;

struct Echo;

impl Method for Echo {
    const NAME: &'static str = "test.echo_over_tls";
    const EFFECT: Effect = Effect::Repeatable;
    type Request = String;
    type Reply = String;
}

struct Secured {
    issuer: Issuer<'static, KeyPair>,
    roots_pem: String,
    broker: Broker,
}

impl Secured {
    async fn start() -> Secured {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let roots_pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let (certificate, key) = signed(&issuer, "a broker");
        let mut tls = warren_broker::TlsOptions::new(certificate, key);
        tls.client_roots = Some(roots_pem.clone().into());
        let broker = Broker::start(Options { tls: Some(tls), ..Options::default() }).await.unwrap();
        Secured { issuer, roots_pem, broker }
    }

    async fn connect(&self, login: &str, certificate_of: Option<&str>) -> Result<Client, ConnectError> {
        let identity = certificate_of.map(|name| {
            let (certificates_pem, key_pem) = signed(&self.issuer, name);
            TlsIdentity { certificates_pem, key_pem }
        });
        let tls = TlsOptions { roots_pem: Some(self.roots_pem.clone()), identity };
        let url = format!("amqps://{login}{}/%2f", self.broker.tls_address().unwrap());
        soon("a connection", Client::connect(&url, ClientOptions { tls, ..ClientOptions::default() })).await
    }
}

/// A certificate for 127.0.0.1 with this common name, and its key.
fn signed(issuer: &Issuer<'static, KeyPair>, common_name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

async fn echoes(client: &Client) {
    let call = async |number: usize| {
        let text = format!("{number:06}").repeat(TEXT_BYTES / 6);
        assert!(client.call::<Echo>(&text).await.unwrap() == text);
    };
    join_all((0..50).map(call)).await;
}

#[tokio::test]
async fn calls_go_over_tls_and_do_so_again_after_a_cut() {
    let secured = Secured::start().await;
    let client = secured.connect("guest:guest@", None).await.unwrap();
    let service = Service::new("test", "1.0.0", stateless())
        .method::<Echo, _, _>(|_, _: Context, text| async move { Ok::<_, Status>(text) });
    let running = service.serve(&client, ServeOptions { prefetch: 16, ..ServeOptions::default() }).await.unwrap();
    soon("echoes", echoes(&client)).await;
    secured.broker.cut_all().await;
    soon("echoes after a cut", echoes(&client)).await;
    assert!(secured.broker.connections().iter().all(|connection| connection.tls));
    running.shutdown().await;
    client.close().await;
}

#[tokio::test]
async fn who_shows_a_certificate_and_no_password_is_known_by_it() {
    let secured = Secured::start().await;
    let client = secured.connect("", Some("guest")).await.unwrap();
    assert_eq!(secured.broker.connections()[0].user.as_deref(), Some("guest"));
    client.close().await;
    let refused = secured.connect("", Some("nobody")).await.unwrap_err();
    assert!(refused.to_string().contains("ACCESS_REFUSED"), "{refused}");
}

#[tokio::test]
async fn a_broker_that_nobody_vouches_for_is_not_talked_to() {
    let secured = Secured::start().await;
    let url = format!("amqps://guest:guest@{}/%2f", secured.broker.tls_address().unwrap());
    assert!(soon("a refusal", Client::connect(&url, ClientOptions::default())).await.is_err());
}
