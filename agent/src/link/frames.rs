//! An open WebSocket: frames in, frames out, and signs of life. No word is spoken here that the loop did not say.

use breakglass_protocol::limits::{
    DEAD_AFTER, HANDSHAKE_TIMEOUT, PING_INTERVAL, RECONNECT_SUPERSEDED,
};
use breakglass_protocol::wire::close::{Close, CloseCode};
use breakglass_protocol::wire::codec;
use breakglass_protocol::wire::to_agent::ToAgent;
use breakglass_protocol::wire::to_hub::ToHub;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tracing::error;

use super::connect::tell;
use super::retry::Retry;
use crate::event_loop::LinkEvent;

/// How long the last words may take when this end leaves.
const GOODBYE: Duration = Duration::from_secs(1);

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The loop dropped its end: it wants no connection any more, or another one.
    ByTheLoop,
    /// Anything else; why, for people.
    Lost { why: String, retry: Retry },
}

impl Ended {
    fn lost(why: impl Into<String>, retry: Retry) -> Self {
        Self::Lost {
            why: why.into(),
            retry,
        }
    }
}

/// Moves frames until the connection ends. Reading and writing do not wait for each other: a hub that stops reading
/// must not keep us from hearing why.
pub async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    socket: WebSocketStream<S>,
    outgoing: &mut mpsc::Receiver<ToHub>,
    events: &mpsc::Sender<LinkEvent>,
) -> Ended {
    let (mut sink, mut stream) = socket.split();
    let ended = tokio::select! {
        // What the hub said last decides about the next attempt, also when the loop has hung up because of it.
        biased;
        ended = read(&mut stream, events) => ended,
        ended = write(&mut sink, outgoing) => ended,
    };
    let last_word = match &ended {
        Ended::Lost {
            why,
            retry: Retry::AfterAPerson,
        } => Some(ToHub::Close(Close {
            code: CloseCode::ProtocolError,
            message: why.clone(),
            retry_after_ms: None,
        })),
        Ended::Lost { .. } | Ended::ByTheLoop => None,
    };
    // The hub notices a closed socket anyhow; whether it hears the reason does not matter here.
    let _ = timeout(GOODBYE, say_goodbye(&mut sink, last_word)).await;
    ended
}

async fn say_goodbye<S: AsyncRead + AsyncWrite + Unpin>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    last_word: Option<ToHub>,
) -> Result<(), SocketError> {
    if let Some(Ok(bytes)) = last_word.as_ref().map(codec::encode) {
        sink.send(Message::Binary(bytes.into())).await?;
    }
    sink.close().await
}

async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut SplitStream<WebSocketStream<S>>,
    events: &mpsc::Sender<LinkEvent>,
) -> Ended {
    // The hub answers Hello at once; later it may be silent for as long as it answers pings.
    let mut patience = HANDSHAKE_TIMEOUT;
    loop {
        let message = match timeout(patience, stream.next()).await {
            Ok(Some(Ok(message))) => message,
            Ok(Some(Err(error))) => return socket_ended(&error),
            Ok(None) => return Ended::lost("the hub closed the connection", Retry::Soon),
            Err(_) => {
                let why = format!("the hub was silent for {} s", patience.as_secs());
                return Ended::lost(why, Retry::Soon);
            }
        };
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            // tungstenite answers pings by itself.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {
                // A full queue holds frames, which tell the loop the same.
                let _ = events.try_send(LinkEvent::Heard);
                continue;
            }
            Message::Close(_) => {
                return Ended::lost("the hub closed the connection", Retry::Soon);
            }
            Message::Text(_) => {
                return Ended::lost("the hub sent text, not a frame", Retry::AfterAPerson);
            }
        };
        patience = DEAD_AFTER;
        if let Some(ended) = deliver(&bytes, events).await {
            return ended;
        }
    }
}

/// Hands one frame to the loop. A full queue stops the reading, and so the hub.
async fn deliver(bytes: &Bytes, events: &mpsc::Sender<LinkEvent>) -> Option<Ended> {
    let frame: ToAgent = match codec::decode(bytes) {
        Ok(frame) => frame,
        Err(error) => {
            let why = format!("the hub sent something unreadable: {error}; is it a newer version?");
            return Some(Ended::lost(why, Retry::AfterAPerson));
        }
    };
    let closed = match &frame {
        ToAgent::Close(close) => Some(closed_by_hub(close)),
        ToAgent::Welcome(_)
        | ToAgent::SnapshotBegin(_)
        | ToAgent::Grant(_)
        | ToAgent::SnapshotEnd(_)
        | ToAgent::Settled(_)
        | ToAgent::Call(_)
        | ToAgent::Certificate(_)
        | ToAgent::Policies(_)
        | ToAgent::AuditAccepted(_) => None,
    };
    let delivered = events.send(LinkEvent::Frame(Box::new(frame))).await;
    if delivered.is_err() {
        return Some(Ended::ByTheLoop);
    }
    closed
}

async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    outgoing: &mut mpsc::Receiver<ToHub>,
) -> Ended {
    let mut pings = interval(PING_INTERVAL);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings.reset();
    loop {
        // Frames first, and pings even when frames never pause: only a pong proves that the hub still answers.
        let message = tokio::select! {
            biased;
            _ = pings.tick() => Message::Ping(Bytes::new()),
            frame = outgoing.recv() => match frame.as_ref().map(codec::encode) {
                Some(Ok(bytes)) => Message::Binary(bytes.into()),
                Some(Err(error)) => {
                    error!(%error, "a frame for the hub was left out; this is a defect of the agent");
                    continue;
                }
                None => return Ended::ByTheLoop,
            },
        };
        if let Err(error) = sink.send(message).await {
            return socket_ended(&error);
        }
    }
}

fn closed_by_hub(close: &Close) -> Ended {
    let asked = close.retry_after_ms.map(Duration::from_millis);
    let retry = match close.code {
        CloseCode::GoingAway | CloseCode::Overloaded => asked.map_or(Retry::Soon, Retry::After),
        CloseCode::Superseded => Retry::After(asked.unwrap_or(RECONNECT_SUPERSEDED)),
        CloseCode::Revoked
        | CloseCode::VersionMismatch
        | CloseCode::ProtocolError
        | CloseCode::WrongCluster => asked.map_or(Retry::AfterAPerson, Retry::After),
    };
    Ended::lost(
        format!("the hub said {:?}: {}", close.code, tell(&close.message)),
        retry,
    )
}

fn socket_ended(error: &SocketError) -> Ended {
    Ended::lost(format!("the connection broke: {error}"), Retry::Soon)
}

#[cfg(test)]
mod tests {
    use super::*;
    use breakglass_protocol::ids::Revision;
    use breakglass_protocol::wire::to_agent::SnapshotEnd;
    use tokio::io::{DuplexStream, duplex};
    use tokio::time::Instant;
    use tokio_tungstenite::tungstenite::protocol::Role;

    async fn pair() -> (WebSocketStream<DuplexStream>, WebSocketStream<DuplexStream>) {
        let (agent, hub) = duplex(64 * 1024);
        tokio::join!(
            WebSocketStream::from_raw_socket(agent, Role::Client, None),
            WebSocketStream::from_raw_socket(hub, Role::Server, None)
        )
    }

    fn why(ended: Ended) -> (String, Retry) {
        match ended {
            Ended::Lost { why, retry } => (why, retry),
            Ended::ByTheLoop => panic!("the loop did nothing"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_hub_that_never_speaks_is_given_up_soon() {
        let (agent, _hub) = pair().await;
        let (_frames, mut outgoing) = mpsc::channel(1);
        let (events, _events) = mpsc::channel(1);
        let started = Instant::now();
        let (why, retry) = why(run(agent, &mut outgoing, &events).await);
        assert!(why.contains("silent"), "{why}");
        assert_eq!(retry, Retry::Soon);
        assert!(started.elapsed() >= HANDSHAKE_TIMEOUT);
        assert!(started.elapsed() < HANDSHAKE_TIMEOUT + GOODBYE * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn pings_keep_a_silent_link_and_their_absence_ends_it() {
        let (agent, mut hub) = pair().await;
        let (_frames, mut outgoing) = mpsc::channel(1);
        let (events, mut heard) = mpsc::channel(64);
        let started = Instant::now();
        let link = tokio::spawn(async move { run(agent, &mut outgoing, &events).await });
        let frame = ToAgent::SnapshotEnd(SnapshotEnd {
            revision: Revision(1),
        });
        let bytes = codec::encode(&frame).unwrap();
        hub.send(Message::Binary(bytes.into())).await.unwrap();
        assert!(matches!(heard.recv().await, Some(LinkEvent::Frame(_))));
        // For five minutes the hub only answers pings.
        for ping in 1..=20 {
            let message = hub.next().await.unwrap().unwrap();
            assert!(message.is_ping(), "{message:?}");
            assert_eq!(started.elapsed().as_secs(), ping * PING_INTERVAL.as_secs());
            hub.flush().await.unwrap();
            assert!(matches!(heard.recv().await, Some(LinkEvent::Heard)));
        }
        // Then it answers nothing any more.
        let silent = Instant::now();
        let (why, retry) = why(link.await.unwrap());
        assert!(why.contains("45 s"), "{why}");
        assert_eq!(retry, Retry::Soon);
        assert_eq!(silent.elapsed().as_secs(), DEAD_AFTER.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_hub_that_reads_nothing_blocks_neither_hearing_nor_the_end() {
        let (agent, hub) = duplex(1024);
        let (agent, mut hub) = tokio::join!(
            WebSocketStream::from_raw_socket(agent, Role::Client, None),
            WebSocketStream::from_raw_socket(hub, Role::Server, None)
        );
        let (frames, mut outgoing) = mpsc::channel(1);
        let (events, mut heard) = mpsc::channel(1);
        let link = tokio::spawn(async move { run(agent, &mut outgoing, &events).await });
        let large = ToHub::Close(Close {
            code: CloseCode::GoingAway,
            message: "x".repeat(64 * 1024),
            retry_after_ms: None,
        });
        frames.send(large.clone()).await.unwrap();
        frames.send(large).await.unwrap();
        let last = ToAgent::Close(Close {
            code: CloseCode::Overloaded,
            message: "you read too slowly".into(),
            retry_after_ms: Some(3_000),
        });
        let bytes = codec::encode(&last).unwrap();
        hub.send(Message::Binary(bytes.into())).await.unwrap();
        assert!(matches!(heard.recv().await, Some(LinkEvent::Frame(_))));
        let (why, retry) = why(link.await.unwrap());
        assert!(why.contains("too slowly"), "{why}");
        assert_eq!(retry, Retry::After(Duration::from_secs(3)));
    }
}
