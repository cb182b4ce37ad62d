//! Where the pods may run (spec 1 section 5, D11): the chosen option, the requester's labels of nodes, and whether any node
//! can fulfil all of it together.

use std::collections::BTreeMap;

use breakglass_protocol::api::debug_session::CreateDebugSession;
use breakglass_protocol::kinds::check::{check_label_key, check_label_value};
use breakglass_protocol::kinds::scheduling::merge::{Contradiction, Placed, contradictions};
use breakglass_protocol::kinds::scheduling::{SchedulingConstraints, SchedulingOption};
use breakglass_protocol::limits::MAX_NODE_SELECTOR_KEYS;
use breakglass_protocol::manifest::did_you_mean;
use breakglass_protocol::wire::grant::SchedulingLayer;

use super::assemble::reference_to;
use super::{Facts, shortened};
use crate::placement::{Speaker, layers, may_choose, offering, speakers};
use crate::refusal::{Class, Violation};

const OPTION: &str = "selectedSchedulingOption";

/// Where the pods of a session may run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Placement {
    /// The option that was chosen, or is the default.
    pub(super) option: Option<String>,
    /// Everything that is required together, for people; `None` if nothing is.
    pub(super) constraints: Option<SchedulingConstraints>,
}

/// The requester's labels of nodes.
pub(super) fn asked(asked: &CreateDebugSession) -> BTreeMap<String, String> {
    asked.node_selector.clone().unwrap_or_default()
}

/// The option that was asked for.
pub(super) fn asked_option(asked: &CreateDebugSession) -> Option<&str> {
    let given = asked.selected_scheduling_option.as_deref();
    given.filter(|name| !name.is_empty())
}

pub(super) fn resolve(facts: &Facts<'_>) -> Result<Placement, Vec<Violation>> {
    let binding = facts.binding.map(reference_to);
    let speakers = speakers(facts.layers, &facts.asked.template_ref, binding.as_ref());
    let wrong_labels = check_labels(&asked(facts.asked));
    let chosen = choose(facts, &speakers);
    let (option, mut violations) = super::apart(chosen);
    if !wrong_labels.is_empty() {
        violations.extend(wrong_labels);
        return Err(violations);
    }
    let Some(option) = option else {
        return Err(violations);
    };
    let layers = layers(&speakers, option.as_deref(), &asked(facts.asked));
    violations.extend(check_together(facts, &layers));
    let (constraints, wrong) = super::apart(merge(&layers));
    violations.extend(wrong);
    match constraints {
        Some(constraints) if violations.is_empty() => Ok(Placement {
            option,
            constraints,
        }),
        Some(_) | None => Err(violations),
    }
}

/// The name that counts as chosen, if any does. Each of template and binding must have something for it.
fn choose(facts: &Facts<'_>, speakers: &[Speaker<'_>]) -> Result<Option<String>, Vec<Violation>> {
    let given = asked_option(facts.asked);
    let Some(offer) = offering(speakers) else {
        return match given {
            None => Ok(None),
            Some(_) => Err(vec![refuse(
                Class::Constraint,
                "schedulingOptions",
                "names a scheduling option, and there is none to choose; leave it out".to_owned(),
                &[],
            )]),
        };
    };
    let open = open_options(facts, offer);
    if let Some(name) = given.filter(|name| !knows(offer, name)) {
        let name = shortened(name);
        let hint = did_you_mean(&name, open.iter().map(String::as_str));
        let message = format!(
            "{name:?} is no scheduling option of {offer}; choose one of: {}{hint}",
            open.join(", ")
        );
        return Err(vec![refuse(
            Class::Constraint,
            "schedulingOptions",
            message,
            &open,
        )]);
    }
    let chosen = given
        .map(str::to_owned)
        .or_else(|| Some(offer.option(None)?.name.clone()));
    let violations: Vec<Violation> = speakers
        .iter()
        .filter_map(|speaker| check_speaker(facts, speaker, chosen.as_deref(), &open))
        .collect();
    if violations.is_empty() {
        Ok(chosen)
    } else {
        Err(violations)
    }
}

fn knows(speaker: &Speaker<'_>, name: &str) -> bool {
    speaker
        .options
        .is_some_and(|options| options.options.iter().any(|option| option.name == name))
}

/// Names of the options that this caller may choose.
fn open_options(facts: &Facts<'_>, speaker: &Speaker<'_>) -> Vec<String> {
    let options = speaker.options.iter().flat_map(|options| &options.options);
    options
        .filter(|option| may_choose(option, facts.caller))
        .map(|option| option.name.clone())
        .collect()
}

/// What one of template and binding says to the choice.
fn check_speaker(
    facts: &Facts<'_>,
    speaker: &Speaker<'_>,
    chosen: Option<&str>,
    open: &[String],
) -> Option<Violation> {
    let options = speaker.options?;
    match speaker.option(chosen) {
        Some(option) if may_choose(option, facts.caller) => None,
        Some(option) => Some(refuse(
            Class::Forbidden,
            "schedulingOptions.allowedGroups",
            not_open(speaker, option, open),
            open,
        )),
        None if options.required == Some(true) => {
            let message = match chosen {
                Some(name) => format!(
                    "{name:?} is no scheduling option of {speaker}, which requires one of its own; ask its author"
                ),
                None => format!(
                    "{speaker} requires a scheduling option; choose one of: {}",
                    open.join(", ")
                ),
            };
            Some(refuse(
                Class::Constraint,
                "schedulingOptions.required",
                message,
                open,
            ))
        }
        None => None,
    }
}

/// Who may, and what the caller may instead.
fn not_open(speaker: &Speaker<'_>, option: &SchedulingOption, open: &[String]) -> String {
    let mut who: Vec<String> = Vec::new();
    if !option.allowed_groups.is_empty() {
        who.push(format!("members of {}", option.allowed_groups.join(", ")));
    }
    // Users are not named: a refusal tells nobody's name.
    if !option.allowed_users.is_empty() {
        who.push("the users that it names".to_owned());
    }
    let instead = if open.is_empty() {
        "none is open to you".to_owned()
    } else {
        format!("open to you: {}", open.join(", "))
    };
    format!(
        "scheduling option {} of {speaker} is for {} only; {instead}",
        option.name,
        who.join(" and ")
    )
}

fn refuse(class: Class, rule: &'static str, message: String, open: &[String]) -> Violation {
    Violation::new(class, OPTION, rule, message).allowing(open.iter().cloned())
}

/// Kubernetes's syntax of labels.
fn check_labels(labels: &BTreeMap<String, String>) -> Vec<Violation> {
    if labels.len() > MAX_NODE_SELECTOR_KEYS {
        let message = format!(
            "names {} labels; at most {MAX_NODE_SELECTOR_KEYS} can be given",
            labels.len()
        );
        return vec![Violation::constraint(
            "nodeSelector",
            "nodeSelector.limit",
            message,
        )];
    }
    let errors = labels.iter().flat_map(|(key, value)| {
        let field = field_of(key);
        let key = check_label_key(key).err();
        let value = check_label_value(value).err();
        [key, value]
            .into_iter()
            .flatten()
            .map(move |message| (field.clone(), message))
    });
    errors
        .map(|(field, message)| Violation::constraint(field, "nodeSelector.syntax", message))
        .collect()
}

fn field_of(key: &str) -> String {
    format!("nodeSelector[{:?}]", shortened(key))
}

/// A pod that no node can take would wait for as long as its session lasts.
fn check_together(facts: &Facts<'_>, layers: &[SchedulingLayer]) -> Vec<Violation> {
    let pod = pod_constraints(facts);
    let pod = pod
        .as_ref()
        .map(|(place, constraints)| Placed { place, constraints });
    let placed = layers.iter().map(|layer| Placed {
        place: &layer.place,
        constraints: &layer.constraints,
    });
    let all: Vec<Placed<'_>> = pod.into_iter().chain(placed).collect();
    let labels = asked(facts.asked);
    contradictions(&all)
        .into_iter()
        .map(|found| contradiction(facts, &labels, &found))
        .collect()
}

/// What a structured pod template itself chooses; the agent looks at what texts render to.
fn pod_constraints(facts: &Facts<'_>) -> Option<(String, SchedulingConstraints)> {
    let pod = facts.pod_template?;
    let spec = &pod.spec.template.as_ref()?.spec;
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let constraints = SchedulingConstraints {
        node_selector: spec.node_selector.clone()?,
        ..SchedulingConstraints::default()
    };
    Some((format!("pod template {name}"), constraints))
}

fn contradiction(
    facts: &Facts<'_>,
    labels: &BTreeMap<String, String>,
    found: &Contradiction,
) -> Violation {
    let rule = "schedulingConstraints";
    if labels.contains_key(&found.key) {
        let message = format!("{found}; leave this label out of the request");
        return Violation::constraint(field_of(&found.key), rule, message);
    }
    let is_of_option = [&found.first, &found.second]
        .iter()
        .any(|place| place.starts_with("scheduling option"));
    if is_of_option {
        let message = format!("{found}; choose another option");
        return Violation::constraint(OPTION, rule, message);
    }
    let name = &facts.asked.template_ref;
    let message = format!("session template {name} fits no node: {found}; ask its author");
    Violation::constraint("templateRef", rule, message)
}

/// All of it as one set, for people.
fn merge(layers: &[SchedulingLayer]) -> Result<Option<SchedulingConstraints>, Vec<Violation>> {
    if layers.is_empty() {
        return Ok(None);
    }
    let mut all = SchedulingConstraints::default();
    for layer in layers {
        all.add(&layer.constraints)
            .and_then(|()| all.required())
            .map_err(|error| {
                vec![Violation::constraint(
                    OPTION,
                    "schedulingConstraints.requiredNodeAffinity",
                    error.to_string(),
                )]
            })?;
    }
    Ok(Some(all))
}
