//! Requests at a fixed pace, and what their answers took.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use hdrhistogram::Histogram;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;

use crate::hub::{ADMIN, CLUSTERS, Hub, PEOPLE, TEMPLATES, cluster, template, token};

/// Sessions on a page.
const PAGE: usize = 50;
/// The longest latency that is told apart from longer ones.
const LONGEST: Duration = Duration::from_secs(60);

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    Pages,
    Creates,
    /// So many creates among 100 requests, the others are pages.
    Mixed {
        creates: u32,
    },
}

impl Phase {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pages => "pages",
            Self::Creates => "creates",
            Self::Mixed { .. } => "mixed",
        }
    }

    fn kind(self, number: u64) -> Kind {
        match self {
            Self::Pages => Kind::Page,
            Self::Creates => Kind::Create,
            // Spread evenly.
            Self::Mixed { creates } if number * u64::from(creates) % 100 < u64::from(creates) => {
                Kind::Create
            }
            Self::Mixed { .. } => Kind::Page,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Page,
    Create,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Create => "create",
        }
    }
}

/// What came of one kind of request.
pub(crate) struct Report {
    pub(crate) kind: Kind,
    /// In microseconds from the moment at which the request was meant to be sent.
    pub(crate) latencies: Histogram<u64>,
    /// Answers that were not 2xx, and connections that broke.
    pub(crate) failures: u64,
    /// What those were.
    pub(crate) statuses: BTreeMap<String, u64>,
}

impl Report {
    fn new(kind: Kind) -> Self {
        let longest = u64::try_from(LONGEST.as_micros()).unwrap();
        Self {
            kind,
            latencies: Histogram::new_with_max(longest, 3).unwrap(),
            failures: 0,
            statuses: BTreeMap::new(),
        }
    }

    fn add(&mut self, took: Duration, answer: Result<StatusCode, String>) {
        self.latencies
            .saturating_record(u64::try_from(took.as_micros()).unwrap());
        let failure = match answer {
            Ok(status) if status.is_success() => return,
            Ok(status) => status.to_string(),
            Err(error) => error,
        };
        self.failures += 1;
        *self.statuses.entry(failure).or_default() += 1;
    }

    fn take_in(&mut self, other: Self) {
        self.latencies.add(other.latencies).unwrap();
        self.failures += other.failures;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
    }
}

/// One phase. Requests wait for a free connection where all are in use, and that counts as their latency.
pub(crate) async fn run(
    hub: &Hub,
    phase: Phase,
    rate: u32,
    duration: Duration,
    connections: usize,
) -> Vec<Report> {
    let count = duration.as_secs() * u64::from(rate);
    let most = usize::try_from(count).unwrap();
    let (due, waiting) = mpsc::channel::<(u64, Instant)>(most);
    let waiting = Arc::new(tokio::sync::Mutex::new(waiting));
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..connections {
        let mut worker = Worker::new(hub, worker);
        // Before the clock starts: a handshake is not what is measured.
        worker.line.connect().await.unwrap();
        workers.spawn(worker.work(phase, waiting.clone()));
    }
    // A thread of its own: the runtime's timers wake to the millisecond only.
    let pace = std::thread::spawn(move || {
        let start = Instant::now();
        for number in 0..count {
            let at = start + Duration::from_secs(1) * u32::try_from(number).unwrap() / rate;
            while let Some(left) = at.checked_duration_since(Instant::now()) {
                std::thread::park_timeout(left);
            }
            due.blocking_send((number, at)).unwrap();
        }
    });
    let mut reports: Vec<Report> = Vec::new();
    while let Some(done) = workers.join_next().await {
        for report in done.unwrap() {
            match reports.iter_mut().find(|known| known.kind == report.kind) {
                Some(known) => known.take_in(report),
                None => reports.push(report),
            }
        }
    }
    pace.join().unwrap();
    reports.retain(|report| !report.latencies.is_empty());
    reports.sort_by_key(|report| report.kind);
    reports
}

struct Worker {
    line: Line,
    random: StdRng,
    /// Where the last page went on, and for whom.
    next: Option<(String, String)>,
}

impl Worker {
    fn new(hub: &Hub, number: usize) -> Self {
        Self {
            line: Line::to(hub),
            random: StdRng::seed_from_u64(number as u64),
            next: None,
        }
    }

    async fn work(
        mut self,
        phase: Phase,
        due: Arc<tokio::sync::Mutex<mpsc::Receiver<(u64, Instant)>>>,
    ) -> Vec<Report> {
        let mut reports = [Report::new(Kind::Page), Report::new(Kind::Create)];
        loop {
            let next = due.lock().await.recv().await;
            let Some((number, at)) = next else {
                return reports.into();
            };
            let kind = phase.kind(number);
            let answer = match kind {
                Kind::Page => self.page().await,
                Kind::Create => self.create().await,
            };
            let report = reports.iter_mut().find(|report| report.kind == kind);
            report.unwrap().add(at.elapsed(), answer);
        }
    }

    /// A page as somebody would ask for: an admin's newest, one's own, by cluster, what runs, and the page after.
    async fn page(&mut self) -> Result<StatusCode, String> {
        let person = token(self.random.random_range(0..PEOPLE));
        let on = cluster(self.random.random_range(0..CLUSTERS));
        let of = template(self.random.random_range(0..TEMPLATES));
        let (who, filter) = match (self.random.random_range(0..10), self.next.take()) {
            (0..4, Some((who, next))) => (who, next),
            (0..2, None) => (ADMIN.to_owned(), String::new()),
            (2..6, _) => (person, "&mine=true".to_owned()),
            (6, _) => (ADMIN.to_owned(), format!("&cluster={on}")),
            (7, _) => (ADMIN.to_owned(), format!("&template={of}&state=Terminated")),
            (8, _) => (ADMIN.to_owned(), "&state=Active".to_owned()),
            (_, _) => (person, String::new()),
        };
        let path = format!("/debug-sessions?limit={PAGE}{filter}");
        let (status, body) = self
            .line
            .send(Method::GET, &path, &who, Body::empty())
            .await?;
        let page: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        if let Some(token) = page["continue"].as_str() {
            let filter: Vec<&str> = filter.split("&continue=").take(1).collect();
            self.next = Some((who, format!("{}&continue={token}", filter.concat())));
        }
        Ok(status)
    }

    async fn create(&mut self) -> Result<StatusCode, String> {
        let wish = json!({
            "templateRef": template(self.random.random_range(0..TEMPLATES)),
            "cluster": cluster(self.random.random_range(0..CLUSTERS)),
        });
        let person = token(self.random.random_range(0..PEOPLE));
        let body = Body::from(wish.to_string());
        let sent = self
            .line
            .send(Method::POST, "/debug-sessions", &person, body);
        sent.await.map(|(status, _)| status)
    }
}

/// One connection, made anew when it is gone.
pub(crate) struct Line {
    address: SocketAddr,
    ca: PathBuf,
    sender: Option<SendRequest<Body>>,
}

impl Line {
    pub(crate) fn to(hub: &Hub) -> Self {
        Self {
            address: hub.address,
            ca: hub.state().join("users-ca.crt"),
            sender: None,
        }
    }

    /// What must be made before anything is measured.
    pub(crate) async fn post(
        &mut self,
        path: &str,
        token: &str,
        body: &Value,
    ) -> Result<(), String> {
        let body = Body::from(body.to_string());
        let (status, answer) = self.send(Method::POST, path, token, body).await?;
        if status.is_success() {
            Ok(())
        } else {
            Err(format!(
                "{path}: {status}: {}",
                String::from_utf8_lossy(&answer)
            ))
        }
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        token: &str,
        body: Body,
    ) -> Result<(StatusCode, bytes::Bytes), String> {
        if self.sender.as_ref().is_none_or(SendRequest::is_closed) {
            self.connect().await?;
        }
        let sender = self.sender.as_mut().ok_or("not connected")?;
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(HOST, "127.0.0.1")
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .body(body)
            .map_err(|error| error.to_string())?;
        let answer = async {
            sender.ready().await?;
            let response = sender.send_request(request).await?;
            let status = response.status();
            Ok((status, response.into_body().collect().await?.to_bytes()))
        };
        let answer: Result<_, hyper::Error> = answer.await;
        answer.map_err(|error| {
            self.sender = None;
            error.to_string()
        })
    }

    async fn connect(&mut self) -> Result<(), String> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(&self.ca).unwrap())
            .unwrap();
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = TcpStream::connect(self.address)
            .await
            .map_err(|error| error.to_string())?;
        tcp.set_nodelay(true).map_err(|error| error.to_string())?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp);
        let tls = tls.await.map_err(|error| error.to_string())?;
        let (sender, connection) = http1::handshake(TokioIo::new(tls))
            .await
            .map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        self.sender = Some(sender);
        Ok(())
    }
}
