//! What the hub tells the world: mails and webhooks, on real sockets.

mod destinations;
mod notices;
mod refusals;
