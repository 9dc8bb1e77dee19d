//! DynamoDB and the WhatsApp gateway of a system under test over sockets, behind TLS, 5 ms away.
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tests::TestSystem;
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional, duplex, split,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_rustls::TlsAcceptor;

/// How long a packet takes, each way.
pub const AWAY: Duration = Duration::from_millis(5);

/// The most bytes that travel in one piece.
const PIECE: usize = 16 * 1024;

/// Serves the tables and the gateway of `system`; answers the environment of a function that uses them.
pub async fn serve(system: &TestSystem) -> anyhow::Result<Vec<(&'static str, String)>> {
    let authority = Authority::new()?;
    let servers = Servers::of(system).await?;
    let far = Servers {
        tables: far_away(servers.tables, authority.acceptor.clone()).await?,
        gateway: far_away(servers.gateway, authority.acceptor).await?,
    };
    let mut environment = environment(system, "https", &far);
    environment.push(("DYNAMODB_CA_PEM", authority.pem.clone()));
    environment.push(("WHATSAPP_CA_PEM", authority.pem));
    Ok(environment)
}

/// The same without TLS and without distance.
pub async fn serve_plain(system: &TestSystem) -> anyhow::Result<Vec<(&'static str, String)>> {
    let servers = Servers::of(system).await?;
    Ok(environment(system, "http", &servers))
}

/// Where the tables and the gateway are reached.
struct Servers {
    tables: SocketAddr,
    gateway: SocketAddr,
}

impl Servers {
    async fn of(system: &TestSystem) -> anyhow::Result<Self> {
        let tables = listen().await?;
        let tables_at = tables.local_addr()?;
        let engine = system.database().engine();
        let forever = std::future::pending();
        tokio::spawn(dynoxide::server::serve_with_shutdown(
            tables, engine, forever,
        ));
        let gateway = listen().await?;
        let gateway_at = gateway.local_addr()?;
        tokio::spawn(local::simulator::serve(
            system.simulator().clone(),
            axum::Router::new(),
            gateway,
        ));
        Ok(Self {
            tables: tables_at,
            gateway: gateway_at,
        })
    }
}

fn environment(
    system: &TestSystem,
    scheme: &str,
    servers: &Servers,
) -> Vec<(&'static str, String)> {
    let url = |address: SocketAddr| format!("{scheme}://localhost:{}", address.port());
    let sessions = &system.backends().settings.sessions;
    let token = sessions.first().map(|session| session.token.expose());
    vec![
        ("AWS_ACCESS_KEY_ID", "local".into()),
        ("AWS_ENDPOINT_URL_DYNAMODB", url(servers.tables)),
        ("AWS_REGION", "ap-southeast-3".into()),
        ("AWS_SECRET_ACCESS_KEY", "local".into()),
        ("CODES_PER_ADDRESS", "1000000".into()),
        ("GUESSES_PER_ADDRESS", "1000000".into()),
        ("WHATSAPP_SERVER_API", url(servers.gateway)),
        ("WHATSAPP_USER_TOKEN", token.unwrap_or_default().into()),
    ]
}

async fn listen() -> std::io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

/// A certificate authority, and a server for `localhost` that it vouches for.
struct Authority {
    pem: String,
    acceptor: TlsAcceptor,
}

impl Authority {
    fn new() -> anyhow::Result<Self> {
        let mut authority = CertificateParams::new([])?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let root = authority.self_signed(&key)?;
        let issuer = Issuer::new(authority, key);
        let key = KeyPair::generate()?;
        let server = CertificateParams::new(["localhost".to_owned()])?.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        // Without ALPN both speak HTTP/1.1.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![server.der().clone()], key)?;
        Ok(Self {
            pem: root.pem(),
            acceptor: Arc::new(config).into(),
        })
    }
}

/// Puts TLS and distance before the server at `address`; answers the address to use.
async fn far_away(address: SocketAddr, acceptor: TlsAcceptor) -> std::io::Result<SocketAddr> {
    let listener = listen().await?;
    let far = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A connection that breaks belongs to a function that has ended.
            tokio::spawn(carry(stream, acceptor.clone(), address));
        }
    });
    Ok(far)
}

async fn carry(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    address: SocketAddr,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    // Opening a connection takes a round trip; the kernel has answered at once.
    sleep(2 * AWAY).await;
    let (near, far) = duplex(PIECE);
    let (from_client, to_client) = stream.into_split();
    let (from_server, to_server) = split(near);
    tokio::spawn(delay(from_client, to_server));
    tokio::spawn(delay(from_server, to_client));
    let mut client = acceptor.accept(far).await?;
    let mut server = TcpStream::connect(address).await?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// Carries bytes: each piece arrives [`AWAY`] after it left, however many are under way.
async fn delay<R, W>(mut from: R, mut to: W) -> std::io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (sent, mut under_way) = mpsc::unbounded_channel();
    let leave = async move {
        let mut piece = vec![0; PIECE];
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            let bytes = piece.iter().take(length).copied().collect::<Vec<u8>>();
            if sent.send((Instant::now() + AWAY, bytes)).is_err() {
                break;
            }
        }
    };
    let arrive = async {
        while let Some((at, bytes)) = under_way.recv().await {
            sleep_until(at).await;
            to.write_all(&bytes).await?;
            to.flush().await?;
        }
        to.shutdown().await
    };
    tokio::join!(leave, arrive).1
}
