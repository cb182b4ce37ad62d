//! Names to addresses, without those that the hub may not call (S20). The address that was judged is the one that is
//! called: nothing resolves a name again after it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use breakglass_hub_core::outward::{Closed, Network, judge_address};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::SendError;

/// Resolves for one destination.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    listed: Arc<[Network]>,
}

impl Resolver {
    pub(super) fn new(listed: Vec<Network>) -> Self {
        Self {
            listed: listed.into(),
        }
    }

    /// Whether an address may be called that is written out.
    pub(super) fn judge(&self, address: IpAddr) -> Result<(), Closed> {
        judge_address(address, &self.listed)
    }

    /// The addresses of a name that may be called; never empty.
    pub(super) async fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, SendError> {
        let found = tokio::net::lookup_host((host, port))
            .await
            .map_err(|error| SendError::Temporary(format!("{host} cannot be resolved: {error}")))?;
        let mut refused = None;
        let mut open = Vec::new();
        for address in found {
            match self.judge(address.ip()) {
                Ok(()) => open.push(address),
                Err(closed) => refused = Some(closed),
            }
        }
        match (open.is_empty(), refused) {
            (false, _) => Ok(open),
            (true, Some(closed)) => Err(SendError::Temporary(format!("{host}: {closed}"))),
            (true, None) => Err(SendError::Temporary(format!("{host} has no address"))),
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let found = Resolver::resolve(&resolver, name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
