//! A doorway: the way by which people reach an API server that nothing from outside can reach.
//!
//! It stands for a company's VPN or jump host, which kubectl uses and the agent never does: the firewall of the cluster's
//! namespace stays absolute. It listens on the host's loopback and dials the same port on the namespace's loopback.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Two threads each; a test run holds a few dozen.
const CONNECTIONS: usize = 256;

/// Serves for ever. Call it from a program's main thread, before any other thread is started.
///
/// # Errors
/// The port is taken, or the namespace is not there.
pub fn serve(port: u16, netns: &Path) -> Result<()> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    // A socket stays in the namespace where it was made: this one on the host, all later ones inside.
    let listener = TcpListener::bind(address).with_context(|| format!("doorway on {address}"))?;
    enter(netns)?;
    let open = Arc::new(AtomicUsize::new(0));
    for visitor in listener.incoming() {
        // One that was gone again before it was accepted is nobody's loss.
        let Ok(visitor) = visitor else { continue };
        let Some(place) = Place::take(&open) else {
            continue;
        };
        thread::Builder::new().spawn(move || {
            let _place = place;
            // An API server that does not answer is seen by the visitor as a connection that ends.
            carry(visitor, address).ok();
        })?;
    }
    Ok(())
}

/// Moves this thread, and those it starts later, into the namespace.
fn enter(netns: &Path) -> Result<()> {
    let namespace = File::open(netns).with_context(|| format!("namespace {}", netns.display()))?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .with_context(|| format!("entering {}", netns.display()))
}

/// One of the places for open connections, given back on drop.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Option<Place> {
        let one_more = |open: usize| (open < CONNECTIONS).then_some(open + 1);
        open.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
            .ok()?;
        Some(Place(Arc::clone(open)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn carry(visitor: TcpStream, address: SocketAddrV4) -> Result<()> {
    let server = TcpStream::connect(address)?;
    // Keystrokes and their echo are single bytes.
    visitor.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (visitor_in, server_in) = (visitor.try_clone()?, server.try_clone()?);
    let back = thread::Builder::new().spawn(move || one_way(server_in, visitor_in))?;
    one_way(visitor, server);
    back.join().ok();
    Ok(())
}

/// Carries bytes until one side ends, and tells the other.
fn one_way(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let Some(bytes) = buffer.get(..count) else {
            break;
        };
        if to.write_all(bytes).is_err() {
            // Nobody reads any more: the sender should know now rather than at its next million bytes.
            from.shutdown(Shutdown::Both).ok();
            break;
        }
    }
    to.shutdown(Shutdown::Write).ok();
}
