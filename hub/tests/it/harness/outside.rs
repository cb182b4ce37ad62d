//! What the hub calls: a mail server and a webhook, on loopback, with a certificate of their own.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// One mail as the server took it.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) to: String,
    pub(crate) text: String,
    pub(crate) secret: Secret,
}

impl Mail {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.text.lines();
        lines
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }
}

/// How a mail travelled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Secret {
    Tls,
    Plain,
}

/// Whether the server can do STARTTLS.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Offers {
    StartTls,
    Nothing,
}

/// A mail server (RFC 5321, as much of it as a client says).
#[derive(Clone)]
pub(crate) struct SmtpServer {
    pub(crate) port: u16,
    offers: Offers,
    mails: Arc<Mutex<Vec<Mail>>>,
    /// What the next recipients are answered instead of 250.
    refusals: Arc<Mutex<VecDeque<&'static str>>>,
    tls: TlsAcceptor,
}

impl SmtpServer {
    /// Its certificate is written to `folder/outside.pem`.
    pub(crate) async fn start(folder: &Path, offers: Offers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            offers,
            mails: Arc::default(),
            refusals: Arc::default(),
            tls: acceptor(folder),
        };
        let own = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = own.clone();
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        server
    }

    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.mails.lock().unwrap().clone()
    }

    /// The next recipient is answered this.
    pub(crate) fn refuse_next(&self, answer: &'static str) {
        self.refusals.lock().unwrap().push_back(answer);
    }

    async fn serve(self, stream: TcpStream) -> Option<()> {
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 test ESMTP\r\n").await.ok()?;
        if self.converse(&mut stream, Secret::Plain).await? == Ended::StartTls {
            let stream = self.tls.accept(stream.into_inner()).await.ok()?;
            self.converse(&mut BufReader::new(stream), Secret::Tls)
                .await?;
        }
        Some(())
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        secret: Secret,
    ) -> Option<Ended> {
        let mut to = String::new();
        loop {
            let line = line(stream).await?;
            let verb = line.split([' ', ':']).next().unwrap().to_ascii_uppercase();
            let answer = match verb.as_str() {
                "EHLO" if secret == Secret::Plain && self.offers == Offers::StartTls => {
                    "250-test\r\n250-STARTTLS\r\n250 8BITMIME"
                }
                "EHLO" => "250-test\r\n250 8BITMIME",
                "STARTTLS" => {
                    stream.write_all(b"220 go on\r\n").await.ok()?;
                    return Some(Ended::StartTls);
                }
                "RCPT" => {
                    to = line.split(['<', '>']).nth(1).unwrap().to_owned();
                    let refusal = self.refusals.lock().unwrap().pop_front();
                    refusal.unwrap_or("250 yes")
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await.ok()?;
                    let text = data(stream).await?;
                    let to = to.clone();
                    self.mails.lock().unwrap().push(Mail { to, text, secret });
                    "250 taken"
                }
                "QUIT" => {
                    stream.write_all(b"221 bye\r\n").await.ok()?;
                    return Some(Ended::Quit);
                }
                _ => "250 yes",
            };
            stream
                .write_all(format!("{answer}\r\n").as_bytes())
                .await
                .ok()?;
        }
    }
}

#[derive(Debug, PartialEq)]
enum Ended {
    StartTls,
    Quit,
}

async fn line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut line = String::new();
    match stream.read_line(&mut line).await {
        Ok(1..) => Some(line.trim_end().to_owned()),
        Ok(0) | Err(_) => None,
    }
}

/// A mail's text, quoted-printable line breaks taken out.
async fn data<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut text = String::new();
    loop {
        match line(stream).await?.as_str() {
            "." => return Some(text.replace("=\n", "")),
            line => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
}

/// What a webhook was sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A webhook's other end.
#[derive(Clone)]
pub(crate) struct HookServer {
    pub(crate) port: u16,
    calls: Arc<Mutex<Vec<Call>>>,
    /// What the next calls are answered instead of 204.
    answers: Arc<Mutex<VecDeque<StatusCode>>>,
}

impl HookServer {
    /// Its certificate is written to `folder/outside.pem`.
    pub(crate) async fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            calls: Arc::default(),
            answers: Arc::default(),
        };
        let (own, tls) = (server.clone(), acceptor(folder));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, tls) = (own.clone(), tls.clone());
                tokio::spawn(async move {
                    let Ok(stream) = tls.accept(stream).await else {
                        return;
                    };
                    let service = service_fn(|request| server.take(request));
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                        .ok();
                });
            }
        });
        server
    }

    async fn take(&self, request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
        let headers = request.headers().clone();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let mut response = Response::new(Empty::new());
        let answer = self.answers.lock().unwrap().pop_front();
        *response.status_mut() = answer.unwrap_or(StatusCode::NO_CONTENT);
        if answer.is_some_and(|status| status.is_redirection()) {
            let elsewhere = format!("https://localhost:{}/elsewhere", self.port);
            response
                .headers_mut()
                .insert("location", elsewhere.parse().unwrap());
        }
        if answer.is_none() {
            let body = String::from_utf8(body.to_vec()).unwrap();
            self.calls.lock().unwrap().push(Call { headers, body });
        }
        Ok(response)
    }

    /// The calls that were answered well.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// The next call is answered this.
    pub(crate) fn answer_next(&self, status: StatusCode) {
        self.answers.lock().unwrap().push_back(status);
    }
}

/// One certificate for everything outside, made once per folder.
fn acceptor(folder: &Path) -> TlsAcceptor {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    let (certificate, key) = (folder.join("outside.pem"), folder.join("outside.key"));
    if !certificate.exists() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    }
    let chain = vec![CertificateDer::from_pem_file(&certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&key).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
