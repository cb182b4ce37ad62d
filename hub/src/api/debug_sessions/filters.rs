//! Which sessions a list or a watch is about, as its query says.

use breakglass_hub_core::access::sight;
use breakglass_hub_core::caller::Caller;
use breakglass_hub_core::session::{Session, StateName};

use crate::api::endpoint::{Query, QueryKind};
use crate::api::error::ApiError;
use crate::sessions::Question;

/// What the query of a list or watch may say of the sessions.
pub const FILTERS: &[Query] = &[
    Query {
        name: "cluster",
        kind: QueryKind::Text,
        about: "Only on this cluster",
    },
    Query {
        name: "state",
        kind: QueryKind::Texts,
        about: "Only in one of these states, in any case; also comma-separated",
    },
    Query {
        name: "user",
        kind: QueryKind::Text,
        about: "Only asked for by this person",
    },
    Query {
        name: "template",
        kind: QueryKind::Text,
        about: "Only made from this template",
    },
    Query {
        name: "mine",
        kind: QueryKind::YesNo,
        about: "Only asked for by the caller",
    },
];

/// See the module. Without any: every session.
#[derive(Default)]
pub(in crate::api) struct Filters {
    cluster: Option<String>,
    states: Vec<StateName>,
    user: Option<String>,
    template: Option<String>,
    mine: Whose,
}

/// Whose requests are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Whose {
    #[default]
    Everybodys,
    TheCallers,
}

impl Filters {
    pub(in crate::api) fn parse(query: &str) -> Result<Self, ApiError> {
        let mut filters = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match name.as_ref() {
                "cluster" => filters.cluster = Some(value),
                "user" => filters.user = Some(value),
                "template" => filters.template = Some(value),
                "state" => filters.states.extend(parse_states(&value)?),
                "mine" => filters.mine = parse_mine(&value)?,
                _unknown_is_ignored => {}
            }
        }
        Ok(filters)
    }

    /// What of it the caller sees, without a page.
    pub(super) fn question<'a>(&'a self, caller: &'a Caller) -> Question<'a> {
        Question {
            sight: sight(caller),
            cluster: self.cluster.as_deref(),
            template: self.template.as_deref(),
            user: self.user.as_deref(),
            owner: match self.mine {
                Whose::TheCallers => Some(&caller.identity),
                Whose::Everybodys => None,
            },
            states: &self.states,
            after: None,
            limit: 0,
        }
    }

    /// Whether one session is among what was asked for.
    pub(in crate::api) fn want(&self, session: &Session, caller: &Caller) -> bool {
        let same =
            |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|w| w == found);
        let is_whose = match self.mine {
            Whose::TheCallers => session.requester.is_same_account(&caller.identity),
            Whose::Everybodys => true,
        };
        is_whose
            && same(&self.cluster, &session.spec.cluster)
            && same(&self.template, &session.spec.template_ref)
            && same(&self.user, &session.requester.name)
            && (self.states.is_empty() || self.states.contains(&session.state.name()))
    }
}

fn parse_states(value: &str) -> Result<Vec<StateName>, ApiError> {
    let words = value
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    words
        .map(|word| {
            StateName::ALL
                .into_iter()
                .find(|state| state.as_str().eq_ignore_ascii_case(word))
                .ok_or_else(|| {
                    let known: Vec<&str> = StateName::ALL.iter().map(|s| s.as_str()).collect();
                    ApiError::malformed(
                        "state",
                        format!("{word:?} is not a state; there are {}", known.join(", ")),
                    )
                })
        })
        .collect()
}

fn parse_mine(value: &str) -> Result<Whose, ApiError> {
    match value {
        "true" => Ok(Whose::TheCallers),
        "false" => Ok(Whose::Everybodys),
        other => Err(ApiError::malformed(
            "mine",
            format!("{other:?} is neither true nor false"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_strictly_and_unknown_ones_ignored() {
        let filters = Filters::parse("state=active,FAILED&state=pendingApproval&mine=true&x=y");
        let filters = filters.ok().unwrap();
        assert_eq!(
            filters.states,
            [
                StateName::Active,
                StateName::Failed,
                StateName::PendingApproval
            ]
        );
        assert_eq!(filters.mine, Whose::TheCallers);
        for bad in ["state=Foo", "mine=1"] {
            assert!(Filters::parse(bad).is_err(), "{bad}");
        }
    }
}
