//! Envelopes of grants and of deny policies, opened (D17): bounded, and refused where this build lacks what they require.

use std::time::Duration;

use breakglass_protocol::limits::{MAX_GRANT_BYTES, MAX_POLICIES_BYTES};
use breakglass_protocol::wire::grant::Grant;
use breakglass_protocol::wire::policy::PolicySet;
use breakglass_protocol::wire::to_agent::{GrantFrame, PoliciesFrame};

use crate::holdings::Received;
use crate::policies::ReceivedPolicies;

/// Opens the envelope (D17).
pub(super) fn read_grant(frame: &GrantFrame, features: &[String]) -> Result<Received, String> {
    if frame.body.len() > MAX_GRANT_BYTES {
        return Err(format!(
            "it has {} bytes, over the limit of {MAX_GRANT_BYTES}",
            frame.body.len()
        ));
    }
    let grant: Grant = serde_json::from_slice(&frame.body).map_err(|e| e.to_string())?;
    if grant.uid != frame.uid {
        return Err(format!(
            "its envelope names {}, its body {}",
            frame.uid, grant.uid
        ));
    }
    Ok(Received {
        grant,
        remaining: Duration::from_millis(frame.remaining_ms),
        missing_features: frame
            .requires
            .iter()
            .filter(|feature| !features.contains(feature))
            .cloned()
            .collect(),
    })
}

/// Opens the envelope of deny policies (D17).
pub(super) fn read_policies(
    frame: &PoliciesFrame,
    features: &[String],
) -> Result<ReceivedPolicies, String> {
    if frame.body.len() > MAX_POLICIES_BYTES {
        return Err(format!(
            "the deny policies have {} bytes, over the limit of {MAX_POLICIES_BYTES}",
            frame.body.len()
        ));
    }
    let missing_features: Vec<String> = frame
        .requires
        .iter()
        .filter(|feature| !features.contains(feature))
        .cloned()
        .collect();
    // What requires more than this build has may well not be readable by it.
    let set = if missing_features.is_empty() {
        serde_json::from_slice(&frame.body)
            .map_err(|error| format!("the deny policies cannot be read: {error}"))?
    } else {
        PolicySet::Withheld(String::new())
    };
    Ok(ReceivedPolicies {
        revision: frame.revision,
        set,
        missing_features,
    })
}
