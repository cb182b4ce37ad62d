//! The WebSocket of one connection, as the pump needs it: ears and a mouth that can be used at the same time, and a
//! mouth that never holds more than one frame.

use std::future::{pending, poll_fn};
use std::time::Duration;

use breakglass_hub_core::clock::Now;
use breakglass_hub_core::link::{HubLink, Outgoing};
use breakglass_protocol::limits::{DEAD_AFTER, MAX_FRAME_BYTES};
use breakglass_protocol::wire::codec;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// The defaults are 128 KiB, allocated for every connection; frames are seldom larger than this.
const READ_BUFFER: usize = 4 * 1024;
/// One frame of the largest size and the control frames beside it.
const MAX_WRITE_BUFFER: usize = 2 * MAX_FRAME_BYTES;
/// For the last frames and the farewell of the other end.
const FAREWELL: Duration = Duration::from_secs(2);

pub(super) struct Socket {
    pub(super) ears: Ears,
    pub(super) mouth: Mouth,
}

pub(super) struct Ears(SplitStream<Stream>);

/// What came in.
pub(super) enum Heard {
    Frame(Bytes),
    /// A ping or a pong.
    Alive,
    Text,
    /// Larger than any frame, or not WebSocket at all.
    Unacceptable(String),
    Gone(String),
}

pub(super) struct Mouth {
    sink: SplitSink<Stream, Message>,
    state: State,
    /// Since when the frame being written waits for the network (monotonic).
    writing_since: Option<Duration>,
}

enum State {
    /// The link may have something to say.
    Open,
    /// Everything is said, not everything has left.
    Flushing,
    Idle,
}

/// What became of the mouth.
pub(super) enum Room {
    /// One frame may be offered.
    ForOne,
    Flushed,
    Broken(String),
}

impl Socket {
    pub(super) async fn new(upgraded: Upgraded) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(MAX_WRITE_BUFFER)
            .max_message_size(Some(MAX_FRAME_BYTES))
            .max_frame_size(Some(MAX_FRAME_BYTES));
        let io = TokioIo::new(upgraded);
        let stream = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        let (sink, stream) = stream.split();
        Self {
            ears: Ears(stream),
            mouth: Mouth {
                sink,
                state: State::Open,
                writing_since: None,
            },
        }
    }

    /// Says what the link still has to say and closes. Waits a little for the other end: closing with unread bytes would
    /// make the system throw away what was just sent.
    pub(super) async fn finish(mut self, link: &mut HubLink, now: Now) {
        let said = tokio::time::timeout(FAREWELL, async {
            while let Some(Outgoing::Frame(frame)) = link.poll_outgoing(now) {
                let Ok(bytes) = codec::encode(&frame) else {
                    break;
                };
                self.mouth.sink.send(Message::Binary(bytes.into())).await?;
            }
            self.mouth.sink.close().await
        });
        if let Ok(Ok(())) = said.await {
            let heard_out = async { while let Some(Ok(_)) = self.ears.0.next().await {} };
            // Whoever does not say farewell in time is cut off; nothing more is owed to them.
            let _ = tokio::time::timeout(FAREWELL, heard_out).await;
        }
    }
}

impl Ears {
    pub(super) async fn hear(&mut self) -> Heard {
        match self.0.next().await {
            Some(Ok(Message::Binary(bytes))) => Heard::Frame(bytes),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Heard::Alive,
            Some(Ok(Message::Text(_))) => Heard::Text,
            Some(Ok(Message::Close(_))) => Heard::Gone("the agent closed the socket".to_owned()),
            Some(Err(error @ (Error::Capacity(_) | Error::Protocol(_)))) => {
                Heard::Unacceptable(error.to_string())
            }
            Some(Err(error)) => Heard::Gone(format!("the connection broke: {error}")),
            None => Heard::Gone("the connection ended".to_owned()),
        }
    }
}

impl Mouth {
    /// The link may have something to say.
    pub(super) fn open(&mut self) {
        self.state = State::Open;
    }

    /// When the other end has read nothing for too long (monotonic).
    pub(super) fn stalled_at(&self) -> Option<Duration> {
        self.writing_since.map(|since| since + DEAD_AFTER)
    }

    /// Waits until the next frame may be offered, or all of them have left.
    pub(super) async fn room(&mut self) -> Room {
        let (polled, room) = match self.state {
            State::Open => {
                let ready = poll_fn(|cx| self.sink.poll_ready_unpin(cx)).await;
                (ready, Room::ForOne)
            }
            State::Flushing => {
                let flushed = poll_fn(|cx| self.sink.poll_flush_unpin(cx)).await;
                self.state = State::Idle;
                (flushed, Room::Flushed)
            }
            State::Idle => pending().await,
        };
        match polled {
            Ok(()) => {
                self.writing_since = None;
                room
            }
            Err(error) => Room::Broken(format!("the connection broke: {error}")),
        }
    }

    /// Takes what the link says next, after [`Room::ForOne`]; `None`: nothing for now.
    pub(super) fn offer(&mut self, next: Option<Outgoing>, now: Now) -> Result<(), String> {
        let message = match next {
            Some(Outgoing::Frame(frame)) => codec::encode(&frame)
                .map(|bytes| Message::Binary(bytes.into()))
                .map_err(|e| e.to_string())?,
            Some(Outgoing::Ping) => Message::Ping(Bytes::new()),
            Some(Outgoing::Hangup) | None => {
                self.state = State::Flushing;
                return Ok(());
            }
        };
        self.writing_since = Some(now.monotonic);
        self.sink
            .start_send_unpin(message)
            .map_err(|e| format!("the connection broke: {e}"))
    }
}
