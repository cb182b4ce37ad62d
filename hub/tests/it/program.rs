//! The real program as a process of its own, and clients that reach it over TLS and live through its death.

mod full_disk;
mod kill;
mod unread;

use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Method;
use http::header::{AUTHORIZATION, HOST};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

use crate::harness::{Answer, inputs, request, token_of};

/// No test waits longer than this for anything: it fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder to run hubs in, and where the running one is.
pub(crate) struct Program {
    folder: TempDir,
    child: Child,
    address: watch::Sender<Option<SocketAddr>>,
}

impl Program {
    /// A hub that is ready. Blocks.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        inputs(folder.path());
        let (child, address) = launch(folder.path());
        Self {
            folder,
            child,
            address: watch::Sender::new(Some(address)),
        }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and a new one on what the old one left. Blocks.
    pub(crate) fn kill_and_start_again(&mut self) {
        self.kill();
        let (child, address) = launch(self.folder.path());
        self.child = child;
        self.address.send_replace(Some(address));
    }

    /// SIGKILL. Blocks until it is gone.
    pub(crate) fn kill(&mut self) {
        self.address.send_replace(None);
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Somebody of the harness's people.
    pub(crate) fn client(&self, name: &str) -> Client {
        Client {
            authorization: format!("Bearer {}", token_of(name)),
            ca: self.state().join("users-ca.crt"),
            address: self.address.subscribe(),
            line: None,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It is dead already where a test killed it last.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Starts it and waits until it is ready. What it says later goes nowhere, but its pipe stays open.
fn launch(folder: &Path) -> (Child, SocketAddr) {
    let (child, lines, address) = begin(folder);
    std::thread::spawn(move || lines.count());
    (child, address)
}

/// Starts it so that a file size limit is an error to it instead of its end, and waits until it is ready.
fn begin(folder: &Path) -> (Child, Lines<BufReader<ChildStderr>>, SocketAddr) {
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_breakglass-hub"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--agent-listen",
            "127.0.0.1:0",
        ])
        .args(["--admin-group", "admins", "--public-address", "127.0.0.1"])
        // What these tests are about is not how fast one person may ask.
        .args(["--requests-per-second", "1000"])
        .arg("--state")
        .arg(folder.join("state"))
        .arg("--templates")
        .arg(folder.join("templates"))
        .arg("--dev-users")
        .arg(folder.join("users.yaml"))
        .env_remove("RUST_LOG")
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = Vec::new();
    let address = lines.by_ref().map(Result::unwrap).find_map(|line| {
        let address = line.split_once(" ready users=").map(|(_, rest)| {
            let address = rest.split(' ').next().unwrap_or_default();
            address.parse().unwrap()
        });
        said.push(line);
        address
    });
    let address = address.unwrap_or_else(|| panic!("the hub ended: {}", said.join("\n")));
    (child, lines, address)
}

/// Somebody with a token and a connection that is made anew when it is gone.
pub(crate) struct Client {
    authorization: String,
    ca: PathBuf,
    address: watch::Receiver<Option<SocketAddr>>,
    line: Option<SendRequest<Body>>,
}

/// The connection ended before an answer came: it may have been done or not.
#[derive(Debug)]
pub(crate) struct Died;

impl Client {
    /// One request, below `/api/v1`.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer, Died> {
        let sending = self.send_now(method, path, body);
        match tokio::time::timeout(PATIENCE, sending).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Died)) => {
                self.line = None;
                Err(Died)
            }
            Err(_) => panic!("no answer to {path}"),
        }
    }

    async fn send_now(&mut self, method: Method, path: &str, body: &Value) -> Result<Answer, Died> {
        let mut line = match self.line.take() {
            Some(line) if !line.is_closed() => line,
            Some(_) | None => self.connect().await?,
        };
        let mut request = request(method, path, Body::from(body.to_string()));
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.parse().unwrap());
        headers.insert(HOST, "127.0.0.1".parse().unwrap());
        line.ready().await.map_err(|_| Died)?;
        let response = line.send_request(request).await.map_err(|_| Died)?;
        let answer = Answer::try_of(response).await.map_err(|_| Died)?;
        self.line = Some(line);
        Ok(answer)
    }

    async fn connect(&mut self) -> Result<SendRequest<Body>, Died> {
        let address = *self
            .address
            .wait_for(Option::is_some)
            .await
            .map_err(|_| Died)?;
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(&self.ca).unwrap())
            .unwrap();
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = TcpStream::connect(address.unwrap())
            .await
            .map_err(|_| Died)?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp);
        let tls = tls.await.map_err(|_| Died)?;
        let (line, connection) = http1::handshake(TokioIo::new(tls))
            .await
            .map_err(|_| Died)?;
        tokio::spawn(connection);
        Ok(line)
    }

    /// Again and again until the hub decides: it was dead, busy, or others changed the same.
    pub(crate) async fn until_answered(&mut self, path: &str, body: &Value) -> Decided {
        let mut deaths = 0;
        loop {
            match self.send(Method::POST, path, body).await {
                Err(Died) => deaths += 1,
                Ok(answer) if is_for_later(&answer) => tokio::task::yield_now().await,
                Ok(answer) => return Decided { answer, deaths },
            }
        }
    }
}

/// What a hub that did nothing says.
fn is_for_later(answer: &Answer) -> bool {
    let busy = [429, 503].contains(&answer.status.as_u16());
    busy || (answer.status == 409 && answer.text().contains("\"conflict\""))
}

/// An answer, and how many tries before it ended without one: each of those may have been done.
pub(crate) struct Decided {
    pub(crate) answer: Answer,
    pub(crate) deaths: usize,
}
