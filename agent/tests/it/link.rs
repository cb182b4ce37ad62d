//! The link's task against a hub made here: real TCP, TLS, HTTP and WebSocket.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use breakglass_agent::event_loop::LinkEvent;
use breakglass_agent::identity::Identity;
use breakglass_agent::link::proxy::Proxy;
use breakglass_agent::link::{LinkMetrics, LinkSettings, LinkState, spawn};
use breakglass_protocol::ids::Revision;
use breakglass_protocol::limits::{RECONNECT_REFUSED, RECONNECT_SUPERSEDED};
use breakglass_protocol::wire::close::{Close, CloseCode};
use breakglass_protocol::wire::to_agent::{SnapshotEnd, ToAgent};
use breakglass_protocol::wire::to_hub::{Acknowledged, ToHub};
use futures_util::SinkExt;
use http::{StatusCode, header};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use crate::fake_hub::{Authority, Chain, ClientCertificate, FakeHub, Script, hear, problem, say};

struct Link {
    events: mpsc::Receiver<LinkEvent>,
    state: watch::Receiver<LinkState>,
    identity: watch::Sender<Identity>,
    stop: CancellationToken,
}

impl Link {
    fn start(identity: Identity) -> Self {
        Self::start_through(identity, Proxy::default())
    }

    fn start_through(identity: Identity, proxy: Proxy) -> Self {
        let (identity, receiver) = watch::channel(identity);
        let stop = CancellationToken::new();
        let (events, state, _task) = spawn(LinkSettings {
            identity: receiver,
            proxy,
            metrics: LinkMetrics::default(),
            stop: stop.clone(),
        });
        Self {
            events,
            state,
            identity,
            stop,
        }
    }

    async fn connected(&mut self) -> mpsc::Sender<ToHub> {
        match self.events.recv().await.unwrap() {
            LinkEvent::Connected { frames } => frames,
            other => panic!("{other:?} instead of Connected"),
        }
    }

    async fn frame(&mut self) -> ToAgent {
        loop {
            match self.events.recv().await.unwrap() {
                LinkEvent::Frame(frame) => return *frame,
                LinkEvent::Heard => {}
                other => panic!("{other:?} instead of a frame"),
            }
        }
    }

    async fn disconnected(&mut self) -> String {
        loop {
            match self.events.recv().await.unwrap() {
                LinkEvent::Disconnected { why } => return why,
                LinkEvent::Heard => {}
                other => panic!("{other:?} instead of Disconnected"),
            }
        }
    }

    /// The pause that follows [`Self::disconnected`].
    fn pause(&self) -> Duration {
        match &*self.state.borrow() {
            LinkState::Waiting { pause, .. } => *pause,
            other => panic!("{other:?} instead of Waiting"),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn acknowledged(revision: u64) -> ToHub {
    ToHub::Acknowledged(Acknowledged {
        revision: Revision(revision),
    })
}

fn snapshot_end(revision: u64) -> ToAgent {
    ToAgent::SnapshotEnd(SnapshotEnd {
        revision: Revision(revision),
    })
}

fn close(code: CloseCode, retry_after_ms: Option<u64>) -> ToAgent {
    ToAgent::Close(Close {
        code,
        message: "told\u{202E} why".into(),
        retry_after_ms,
    })
}

#[tokio::test]
async fn frames_travel_both_ways_and_a_lost_hub_is_dialled_again() {
    let mut hub = FakeHub::start(vec![Script::Upgrade, Script::Upgrade]).await;
    let mut link = Link::start(hub.authority.identity(hub.address));
    let frames = link.connected().await;
    let mut socket = hub.socket().await;
    frames.send(acknowledged(7)).await.unwrap();
    assert_eq!(hear(&mut socket).await, Some(acknowledged(7)));
    say(&mut socket, &snapshot_end(8)).await;
    assert_eq!(link.frame().await, snapshot_end(8));
    assert_eq!(*link.state.borrow(), LinkState::Open);

    drop(socket);
    let why = link.disconnected().await;
    assert!(why.contains("closed") || why.contains("broke"), "{why}");
    assert!(link.pause() < Duration::from_secs(1), "{:?}", link.pause());
    let again = link.connected().await;
    let mut socket = hub.socket().await;
    assert!(
        frames.send(acknowledged(9)).await.is_err(),
        "frames of the old connection go nowhere"
    );
    again.send(acknowledged(10)).await.unwrap();
    assert_eq!(hear(&mut socket).await, Some(acknowledged(10)));
}

#[tokio::test]
async fn the_hub_says_when_to_come_back() {
    for (code, told, at_least, less_than) in [
        (
            CloseCode::Superseded,
            None,
            RECONNECT_SUPERSEDED,
            Duration::from_secs(62),
        ),
        (
            CloseCode::GoingAway,
            None,
            Duration::ZERO,
            Duration::from_secs(1),
        ),
        (
            CloseCode::GoingAway,
            Some(5_000),
            Duration::from_secs(5),
            Duration::from_secs(7),
        ),
        (
            CloseCode::Revoked,
            None,
            RECONNECT_REFUSED,
            Duration::from_secs(62),
        ),
        (
            CloseCode::VersionMismatch,
            None,
            RECONNECT_REFUSED,
            Duration::from_secs(62),
        ),
    ] {
        let mut hub = FakeHub::start(vec![Script::Upgrade]).await;
        let mut link = Link::start(hub.authority.identity(hub.address));
        let _frames = link.connected().await;
        let mut socket = hub.socket().await;
        // Stored while connected (a renewal, say): no reason to come back sooner.
        let stored = hub.authority.identity(hub.address);
        link.identity.send_replace(stored);
        say(&mut socket, &close(code, told)).await;
        assert_eq!(
            link.frame().await,
            close(code, told),
            "the loop hears it too"
        );
        let why = link.disconnected().await;
        assert!(why.contains("told why"), "{why}");
        let pause = link.pause();
        assert!(
            pause >= at_least && pause < less_than,
            "{code:?} {told:?}: {pause:?}"
        );
    }
}

#[tokio::test]
async fn refusals_are_told_as_the_hub_words_them() {
    for (status, headers, message, at_least) in [
        (
            StatusCode::UNAUTHORIZED,
            vec![],
            "show a certificate",
            RECONNECT_REFUSED,
        ),
        (
            StatusCode::FORBIDDEN,
            vec![],
            "cluster west was revoked",
            RECONNECT_REFUSED,
        ),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            vec![(header::RETRY_AFTER, "7".to_owned())],
            "draining",
            Duration::from_secs(7),
        ),
    ] {
        let script = vec![Script::Answer(status, headers, problem(message))];
        let hub = FakeHub::start(script).await;
        let mut link = Link::start(hub.authority.identity(hub.address));
        let why = link.disconnected().await;
        assert!(
            why.contains(message) && why.contains(status.as_str()),
            "{why}"
        );
        assert!(link.pause() >= at_least, "{:?}", link.pause());
        let shown = link.state.borrow().to_string();
        assert!(shown.contains(message), "{shown}");
    }
}

#[tokio::test]
async fn what_is_no_hub_is_said_to_be_none() {
    let script = vec![Script::Answer(StatusCode::OK, Vec::new(), "hello".into())];
    let hub = FakeHub::start(script).await;
    let mut link = Link::start(hub.authority.identity(hub.address));
    let why = link.disconnected().await;
    assert!(why.contains("not a hub of this product"), "{why}");
}

#[tokio::test]
async fn tls_alerts_that_come_with_the_first_read_are_explained() {
    let authority = Arc::new(Authority::new());
    let tls = authority.server_config("127.0.0.1", Chain::WithCa, ClientCertificate::RequiredByTls);
    let hub = FakeHub::start_with(Arc::clone(&authority), tls, Vec::new()).await;
    // A certificate of another CA, as after a hub was set up anew; the hub's own CA is known.
    let stranger = Authority::new();
    let mut identity = stranger.identity(hub.address);
    identity.hub_ca_pem = authority.pem();
    let mut link = Link::start(identity);
    let why = link.disconnected().await;
    assert!(why.contains("bgctl cluster register west"), "{why}");
    assert!(link.pause() >= RECONNECT_REFUSED);

    // The other way round: the hub is not the one that this agent was enrolled with.
    let mut link = Link::start(stranger.identity(hub.address));
    let why = link.disconnected().await;
    assert!(why.contains("not from the CA"), "{why}");
}

#[tokio::test]
async fn unreadable_frames_end_the_connection_with_blame() {
    let mut hub = FakeHub::start(vec![Script::Upgrade]).await;
    let mut link = Link::start(hub.authority.identity(hub.address));
    let _frames = link.connected().await;
    let mut socket = hub.socket().await;
    socket
        .send(Message::Binary(vec![250, 1, 2].into()))
        .await
        .unwrap();
    match hear(&mut socket).await {
        Some(ToHub::Close(close)) => assert_eq!(close.code, CloseCode::ProtocolError),
        other => panic!("{other:?}"),
    }
    let why = link.disconnected().await;
    assert!(why.contains("unreadable"), "{why}");
    assert!(link.pause() >= RECONNECT_REFUSED);
}

#[tokio::test]
async fn a_new_identity_is_a_reason_to_try_at_once() {
    let refusal = Script::Answer(StatusCode::FORBIDDEN, Vec::new(), problem("revoked"));
    let mut hub = FakeHub::start(vec![refusal, Script::Upgrade]).await;
    let mut link = Link::start(hub.authority.identity(hub.address));
    link.disconnected().await;
    link.identity
        .send_replace(hub.authority.identity(hub.address));
    link.connected().await;
    hub.socket().await;
}

#[tokio::test]
async fn the_loop_closes_by_dropping_its_end() {
    let mut hub = FakeHub::start(vec![Script::Upgrade]).await;
    let mut link = Link::start(hub.authority.identity(hub.address));
    let frames = link.connected().await;
    let mut socket = hub.socket().await;
    frames.send(acknowledged(1)).await.unwrap();
    drop(frames);
    assert_eq!(
        hear(&mut socket).await,
        Some(acknowledged(1)),
        "the last words arrive"
    );
    assert_eq!(hear(&mut socket).await, None);
    link.disconnected().await;
}

/// A proxy that knows CONNECT; tells what it was asked.
async fn proxy(hub: SocketAddr) -> (SocketAddr, mpsc::Receiver<Vec<String>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let mut client = BufReader::new(client);
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                client.read_line(&mut line).await.unwrap();
                if line.trim().is_empty() {
                    break;
                }
                lines.push(line.trim().to_owned());
            }
            let granted = lines
                .iter()
                .any(|line| line.starts_with("Proxy-Authorization"));
            asked.send(lines).await.unwrap();
            if !granted {
                let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
                client.write_all(refusal).await.unwrap();
                continue;
            }
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut upstream = TcpStream::connect(hub).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut upstream).await });
        }
    });
    (address, receiver)
}

#[tokio::test]
async fn the_link_goes_through_a_connect_proxy() {
    let mut hub = FakeHub::start(vec![Script::Upgrade]).await;
    let (address, mut asked) = proxy(hub.address).await;
    let through = |user: &str| {
        let url = format!("http://{user}{address}");
        Proxy::from_environment(|name| (name == "HTTPS_PROXY").then(|| url.clone())).unwrap()
    };
    let identity = hub.authority.identity(hub.address);

    let mut link = Link::start_through(identity.clone(), through(""));
    let why = link.disconnected().await;
    assert!(why.contains("407") && why.contains("HTTPS_PROXY"), "{why}");
    drop(link);

    let mut link = Link::start_through(identity, through("agent:pw@"));
    let frames = link.connected().await;
    let mut socket = hub.socket().await;
    frames.send(acknowledged(1)).await.unwrap();
    assert_eq!(hear(&mut socket).await, Some(acknowledged(1)));
    let lines = loop {
        let lines = asked.recv().await.unwrap();
        if lines.len() > 2 {
            break lines;
        }
    };
    assert_eq!(lines[0], format!("CONNECT {} HTTP/1.1", hub.address));
}
