//! How a ledger is stored: each person once, and of a session no more than is needed. The whole record is written whenever a
//! session begins or ends, so its size is what many open sessions of one template cost.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use breakglass_protocol::ids::GrantUid;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Holder, Ledger, Place};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Written {
    /// Issuer and subject.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    people: Vec<(String, String)>,
    /// By session UID: its name, whose it is (a position in `people`), when the place was taken (Unix time, seconds).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    places: BTreeMap<GrantUid, (String, usize, i64)>,
    /// What hubs wrote before.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    open: BTreeMap<GrantUid, Spelt>,
    #[serde(default, skip_serializing_if = "is_zero")]
    made: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_made_at: Option<Timestamp>,
}

/// A place as hubs wrote it before. They wrote a `user` too, which nothing needs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spelt {
    session: String,
    #[serde(flatten)]
    holder: Holder,
    taken_at: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl From<Ledger> for Written {
    fn from(ledger: Ledger) -> Self {
        let mut people = Vec::new();
        let mut known: HashMap<Arc<Holder>, usize> = HashMap::new();
        let mut position = |holder: Arc<Holder>| {
            *known.entry(holder).or_insert_with_key(|holder| {
                people.push((holder.issuer.clone(), holder.subject.clone()));
                people.len() - 1
            })
        };
        let places = ledger
            .open
            .into_iter()
            .map(|(uid, place)| {
                let taken_at = place.taken_at.as_second();
                (uid, (place.session, position(place.holder), taken_at))
            })
            .collect();
        Self {
            people,
            places,
            open: BTreeMap::new(),
            made: ledger.made,
            last_made_at: ledger.last_made_at,
        }
    }
}

impl TryFrom<Written> for Ledger {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let people: Vec<Arc<Holder>> = written
            .people
            .into_iter()
            .map(|(issuer, subject)| Arc::new(Holder { issuer, subject }))
            .collect();
        let mut open = BTreeMap::new();
        for (uid, (session, holder, taken_at)) in written.places {
            let holder = people.get(holder).ok_or_else(|| {
                format!("session {session} is nobody's: there is no {holder} in people")
            })?;
            let taken_at = Timestamp::from_second(taken_at).map_err(|error| error.to_string())?;
            let place = Place {
                session,
                holder: holder.clone(),
                taken_at,
            };
            open.insert(uid, place);
        }
        open.extend(written.open.into_iter().map(|(uid, spelt)| {
            let place = Place {
                session: spelt.session,
                holder: Arc::new(spelt.holder),
                taken_at: spelt.taken_at,
            };
            (uid, place)
        }));
        Ok(Self {
            open,
            made: written.made,
            last_made_at: written.last_made_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(stored: Value) -> Result<Ledger, serde_json::Error> {
        serde_json::from_value(stored)
    }

    #[test]
    fn people_stand_once_and_everything_comes_back() {
        let stored = json!({
            "people": [["idp", "alice"], ["idp", "bob"]],
            "places": { "1": ["one", 0, 1_800_000_000], "2": ["two", 1, 1_800_000_001], "3": ["three", 0, 1_800_000_002] },
            "made": 7,
            "lastMadeAt": "2026-01-01T00:00:00Z",
        });
        let ledger = read(stored.clone()).unwrap();
        assert_eq!(ledger.open[&GrantUid::new("3")].holder.subject, "alice");
        assert_eq!(serde_json::to_value(ledger).unwrap(), stored);
    }

    #[test]
    fn what_older_hubs_wrote_is_read_and_written_anew() {
        let spelt = json!({ "session": "s", "issuer": "idp", "subject": "alice", "user": "Alice", "takenAt": "2027-01-15T08:00:00Z" });
        let ledger = read(json!({ "open": { "1": spelt } })).unwrap();
        assert_eq!(
            serde_json::to_value(ledger).unwrap(),
            json!({ "people": [["idp", "alice"]], "places": { "1": ["s", 0, 1_800_000_000] } })
        );
        assert_eq!(read(json!({ "open": {} })).unwrap(), Ledger::default());
    }

    #[test]
    fn a_place_of_nobody_is_refused() {
        let error = read(json!({ "places": { "1": ["s", 0, 1] } })).unwrap_err();
        assert!(
            error.to_string().contains("session s is nobody's"),
            "{error}"
        );
    }

    #[test]
    fn a_place_takes_about_a_hundred_bytes() {
        let place = |number: usize| {
            let uid = GrantUid::new(format!("{number:08}-58cc-4372-a567-0e02b2c3d479"));
            let holder = Holder {
                issuer: "https://login.example.com/realms/staff".into(),
                subject: format!("{:08}-1111-2222-3333-444455556666", number % 40),
            };
            let place = Place {
                session: format!("debug-session-{number:06}"),
                holder: Arc::new(holder),
                taken_at: Timestamp::from_second(1_800_000_000).unwrap(),
            };
            (uid, place)
        };
        let ledger = Ledger {
            open: (0..super::super::MAX_ENTRIES).map(place).collect(),
            ..Ledger::default()
        };
        let bytes = serde_json::to_string(&ledger).unwrap().len();
        assert!(bytes < 100 * super::super::MAX_ENTRIES, "{bytes}");
    }
}
