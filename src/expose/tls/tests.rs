//! TLS through a socket, with certificates that were made for this and are trusted nowhere.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;
use tokio_rustls::client;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
};

use super::*;
use crate::clock::Clock;
use crate::config::{SurfaceLimits, Tokens};
use crate::expose::{Shared, bind, serve};

const FIRST: &str = include_str!("../../../tests/data/tls/first.pem");
const SECOND: &str = include_str!("../../../tests/data/tls/second.pem");
const FIRST_KEY: &str = include_str!("../../../tests/data/tls/first.key");
const SECOND_KEY: &str = include_str!("../../../tests/data/tls/second.key");

const TOKEN: &str = "fedcba9876543210";

/// Longer than anything here takes.
const LONG: Duration = Duration::from_mins(1);

fn files(dir: &Path) -> CertificateFiles {
    CertificateFiles {
        certificate: dir.join("tls.crt"),
        key: dir.join("tls.key"),
    }
}

fn write(dir: &Path, certificate: &str, key: &str) {
    fs::write(dir.join("tls.crt"), certificate).unwrap();
    fs::write(dir.join("tls.key"), key).unwrap();
}

/// A server with the first certificate.
struct Server {
    runtime: Runtime,
    dir: TempDir,
    at: SocketAddr,
}

impl Server {
    fn start(handshake_max: Duration) -> Self {
        let (runtime, dir) = (Runtime::new().unwrap(), TempDir::new().unwrap());
        write(dir.path(), FIRST, FIRST_KEY);
        let tls = Tls {
            look_interval: Duration::from_millis(20),
            handshake_max,
            ..Tls::open(files(dir.path())).unwrap()
        };
        let listener = runtime.block_on(bind(([127, 0, 0, 1], 0).into())).unwrap();
        let at = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::new(SurfaceLimits {
            metric_series_max: 100,
        }));
        let tokens = Tokens::parse(&format!("operate ann {TOKEN}")).unwrap();
        shared.set_tokens(Some(tokens), false);
        shared.set_commands(Clock, |_record| Ok(()));
        runtime.spawn(serve(listener, Some(tls), shared, std::future::pending()));
        Self { runtime, dir, at }
    }

    /// A connection to a server that is trusted with this certificate.
    async fn connect(
        at: SocketAddr,
        trusted: &str,
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<client::TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        let trusted = CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap();
        roots.add(trusted).unwrap();
        let mut config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), ALPN.to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TcpStream::connect(at).await?;
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }

    fn ask(&self, trusted: &str, request: &str) -> io::Result<String> {
        self.runtime.block_on(async {
            let mut stream = Self::connect(self.at, trusted, &[&TLS12, &TLS13]).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok(answer)
        })
    }

    fn is_served_with(&self, trusted: &str) -> bool {
        let answer = self.ask(trusted, HEALTHY);
        answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
    }

    /// What a server does with bytes that are no handshake, until it closes.
    fn send_plainly(&self, bytes: &[u8]) -> Vec<u8> {
        self.runtime.block_on(async {
            let mut stream = TcpStream::connect(self.at).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            let mut answer = Vec::new();
            // an abrupt end is one, too
            let _reset = stream.read_to_end(&mut answer).await;
            answer
        })
    }
}

const HEALTHY: &str = "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[test]
fn both_versions_are_spoken_with_http_inside() {
    let server = Server::start(LONG);
    assert!(server.is_served_with(FIRST));
    assert!(!server.is_served_with(SECOND));
    for (version, expected) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let versions = [version];
        let connect = Server::connect(server.at, FIRST, &versions);
        let stream = server.runtime.block_on(connect).unwrap();
        let (_, session) = stream.get_ref();
        assert_eq!(session.protocol_version(), Some(expected));
        assert_eq!(session.alpn_protocol(), Some(ALPN));
    }
}

#[test]
fn cookies_are_for_tls_alone() {
    let server = Server::start(LONG);
    let form = format!("token={TOKEN}&to=/");
    let request = format!(
        "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{form}",
        form.len()
    );
    let answer = server.ask(FIRST, &request).unwrap();
    let cookie = answer
        .lines()
        .find(|line| line.starts_with("set-cookie: __Host-driftd_session="));
    assert!(
        cookie.is_some_and(|cookie| cookie.ends_with("; Secure")),
        "{answer}"
    );
}

#[test]
fn who_speaks_plainly_is_told_at_once() {
    let server = Server::start(LONG);
    let begun = Clock.instant();
    let answer = server.send_plainly(HEALTHY.as_bytes());
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    // an alert of TLS, and not the limit of the handshake
    assert_eq!(answer.first(), Some(&21), "{answer:?}");
    assert!(begun.elapsed() < LONG);
    assert!(server.is_served_with(FIRST));
}

#[test]
fn who_is_slow_is_cut_off_and_in_nobodys_way() {
    let limit = Duration::from_secs(2);
    let server = Server::start(limit);
    let begun = Clock.instant();
    let slow = server.runtime.block_on(async {
        let mut slow = Vec::new();
        for _ in 0..20 {
            let mut stream = TcpStream::connect(server.at).await.unwrap();
            // the beginning of a handshake
            stream.write_all(&[22, 3, 1]).await.unwrap();
            slow.push(stream);
        }
        slow
    });
    assert!(server.is_served_with(FIRST));
    let served = begun.elapsed();
    server.runtime.block_on(async {
        for mut stream in slow {
            let mut answer = Vec::new();
            let _reset = stream.read_to_end(&mut answer).await;
        }
    });
    assert!(begun.elapsed() >= limit && served < begun.elapsed());
    assert!(begun.elapsed() < LONG);
    assert!(server.is_served_with(FIRST));
}

#[test]
fn a_renewed_certificate_is_taken_up_and_half_a_one_is_not() {
    let server = Server::start(LONG);
    let dir = server.dir.path();
    let until = |trusted| {
        let begun = Clock.instant();
        while !server.is_served_with(trusted) {
            assert!(begun.elapsed() < LONG, "it was not taken up");
        }
    };
    // its key comes later, and until then all is as it was
    write(dir, SECOND, FIRST_KEY);
    let begun = Clock.instant();
    while begun.elapsed() < Duration::from_millis(200) {
        assert!(server.is_served_with(FIRST));
    }
    write(dir, SECOND, SECOND_KEY);
    until(SECOND);
    fs::remove_file(dir.join("tls.key")).unwrap();
    let begun = Clock.instant();
    while begun.elapsed() < Duration::from_millis(200) {
        assert!(server.is_served_with(SECOND));
    }
    write(dir, FIRST, FIRST_KEY);
    until(FIRST);
}

#[test]
fn files_that_are_not_right_are_named() {
    let dir = TempDir::new().unwrap();
    let files = files(dir.path());
    let long = FIRST.repeat(17);
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (certificate, key, expected) in [
        ("", FIRST_KEY, "tls.crt` has no certificate in PEM"),
        (FIRST_KEY, FIRST_KEY, "tls.crt` has no certificate in PEM"),
        (&long, FIRST_KEY, "tls.crt` has more than 16 certificates"),
        (
            "-----BEGIN CERTIFICATE-----\n",
            FIRST_KEY,
            "tls.crt` is not PEM: ",
        ),
        (
            broken,
            FIRST_KEY,
            "tls.crt` has a certificate that cannot be used: ",
        ),
        (
            FIRST,
            "",
            "tls.key` has no key in PEM; one with a passphrase cannot be used",
        ),
        (
            FIRST,
            locked,
            "tls.key` has no key in PEM; one with a passphrase cannot be used",
        ),
        (
            FIRST,
            SECOND_KEY,
            "tls.key` is not the key of the certificate in `",
        ),
    ] {
        write(dir.path(), certificate, key);
        let error = files.load().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    fs::remove_file(&files.key).unwrap();
    let error = files.load().unwrap_err().to_string();
    assert!(error.contains("tls.key` cannot be read: "), "{error}");
    write(dir.path(), &format!("{FIRST}{SECOND}"), FIRST_KEY);
    assert_eq!(files.load().unwrap().signed.cert.len(), 2);
}
