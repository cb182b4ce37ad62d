//! The users' listener as a client meets it: real TCP, real TLS, HTTP/1.1 or HTTP/2 as agreed.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use http::header::{AUTHORIZATION, HOST};
use http::{Request, Version};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Answer, PUBLIC_NAME, TestHub};

/// Which HTTP a client offers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Http {
    One,
    Two,
}

impl Http {
    fn alpn(self) -> Vec<u8> {
        match self {
            Self::One => b"http/1.1".to_vec(),
            Self::Two => b"h2".to_vec(),
        }
    }
}

impl TestHub {
    /// The certificate that people are given to trust.
    pub(crate) fn users_ca(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.state().join("users-ca.crt")).unwrap()
    }

    /// A TLS connection that trusts `ca` alone and calls the hub `name`.
    pub(crate) async fn tls(
        &self,
        ca: CertificateDer<'static>,
        name: &str,
        offer: &[Http],
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(ca).unwrap();
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = offer.iter().map(|http| http.alpn()).collect();
        let tcp = TcpStream::connect(self.running.users).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
    }

    /// One request of alice's over a connection of its own.
    pub(crate) async fn over_tls(&self, http: Http, path: &str) -> Answer {
        let tls = self
            .tls(self.users_ca(), PUBLIC_NAME, &[http])
            .await
            .unwrap();
        assert_eq!(
            tls.get_ref().1.alpn_protocol(),
            Some(http.alpn().as_slice())
        );
        let request = Request::get(format!("https://{PUBLIC_NAME}{path}"))
            .header(AUTHORIZATION, "Bearer alice-token-0123456789")
            .body(Body::empty())
            .unwrap();
        match http {
            Http::One => {
                let (mut sender, connection) = http1::handshake(TokioIo::new(tls)).await.unwrap();
                tokio::spawn(connection);
                let (mut parts, body) = request.into_parts();
                parts.headers.insert(HOST, PUBLIC_NAME.parse().unwrap());
                parts.uri = path.parse().unwrap();
                let response = sender
                    .send_request(Request::from_parts(parts, body))
                    .await
                    .unwrap();
                assert_eq!(response.version(), Version::HTTP_11);
                Answer::of(response).await
            }
            Http::Two => {
                let (mut sender, connection) =
                    http2::handshake(TokioExecutor::new(), TokioIo::new(tls))
                        .await
                        .unwrap();
                tokio::spawn(connection);
                let response = sender.send_request(request).await.unwrap();
                assert_eq!(response.version(), Version::HTTP_2);
                Answer::of(response).await
            }
        }
    }
}
