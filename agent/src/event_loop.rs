//! The one task that owns everything that changes.

use breakglass_protocol::wire::{to_agent::ToAgent, to_hub::ToHub};
use tokio::sync::mpsc;

/// Events from the link that may wait. A snapshot of many grants comes as fast as the socket gives it; a full queue
/// stops the reader, and so the hub, by TCP's own flow control.
pub const LINK_EVENTS: usize = 64;
/// Frames for the hub that may wait. Reports are made when there is room, so none is lost when it is full.
pub const LINK_FRAMES: usize = 64;

/// What the link's task tells the loop. The task only moves frames: every word, from Hello on, is the loop's.
#[derive(Debug)]
pub enum LinkEvent {
    /// A socket to the hub is open and nothing was said on it yet. Frames go into `frames`, a channel of this
    /// connection only, so that nothing meant for an older one is ever sent on it. Dropping it closes the socket in good
    /// order.
    Connected { frames: mpsc::Sender<ToHub> },
    /// The hub said something on the open socket.
    Frame(Box<ToAgent>),
    /// A ping or pong came: the hub is alive though it says nothing. For `Link::handle_heard`; may be left out when
    /// frames are waiting, which say the same.
    Heard,
    /// The socket is gone, or could not be opened; why, for people.
    Disconnected { why: String },
}
