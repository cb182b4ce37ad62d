//! Where a session's pods may run, as sets of constraints in the order in which they are laid over the pod (spec 1
//! section 5). Read from what is frozen, so a request, its grant and every later load see the same.
//!
//! A binding narrows (D3): its constraints stand beside the template's. Where it has options, they are the choice that is
//! offered; the template then takes its own option of that name, or its default, as if it had been asked alone. So no
//! binding opens a placement that its template closes.

use std::collections::BTreeMap;

use breakglass_protocol::kinds::references::BindingRef;
use breakglass_protocol::kinds::scheduling::{
    SchedulingConstraints, SchedulingOption, SchedulingOptions,
};
use breakglass_protocol::wire::grant::SchedulingLayer;

use crate::caller::Caller;
use crate::request::Layers;

/// A template or binding that has something to say about placement.
#[derive(Clone, Debug)]
pub(crate) struct Speaker<'a> {
    /// For messages: `session template standard-debug`.
    place: String,
    pub(crate) constraints: Option<&'a SchedulingConstraints>,
    pub(crate) options: Option<&'a SchedulingOptions>,
}

impl std::fmt::Display for Speaker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.place)
    }
}

impl<'a> Speaker<'a> {
    /// The option that it takes where this name was chosen: its own of that name, else its default.
    pub(crate) fn option(&self, chosen: Option<&str>) -> Option<&'a SchedulingOption> {
        let options = &self.options?.options;
        chosen
            .and_then(|name| options.iter().find(|option| option.name == name))
            .or_else(|| options.iter().find(|option| option.default == Some(true)))
    }
}

/// Who has a say in where the pods of a session run, the template first.
pub(crate) fn speakers<'a>(
    layers: Layers<'a>,
    template: &str,
    binding: Option<&BindingRef>,
) -> Vec<Speaker<'a>> {
    let template = Speaker {
        place: format!("session template {template}"),
        constraints: layers.template.scheduling_constraints.as_ref(),
        options: layers.template.scheduling_options.as_ref(),
    };
    let binding = layers
        .binding
        .zip(binding)
        .map(|(spec, reference)| Speaker {
            place: format!("binding {}/{}", reference.namespace, reference.name),
            constraints: spec.scheduling_constraints.as_ref(),
            options: spec.scheduling_options.as_ref(),
        });
    [template].into_iter().chain(binding).collect()
}

/// The options from which a requester chooses: the binding's, where it has some, else the template's. Speakers come in
/// order, the template first.
pub(crate) fn offering<'a, 's>(speakers: &'s [Speaker<'a>]) -> Option<&'s Speaker<'a>> {
    speakers
        .iter()
        .rev()
        .find(|speaker| speaker.options.is_some())
}

/// Whether an option is open to the caller; with neither groups nor users, to everybody.
#[must_use]
pub fn may_choose(option: &SchedulingOption, caller: &Caller) -> bool {
    (option.allowed_groups.is_empty() && option.allowed_users.is_empty())
        || caller.is_in_any(&option.allowed_groups)
        || caller.is_named_in(&option.allowed_users)
}

/// All sets of constraints of a session, in order: mandatory ones, then the options', then the requester's labels. Those that
/// say nothing are left out.
pub(crate) fn layers(
    speakers: &[Speaker<'_>],
    chosen: Option<&str>,
    node_selector: &BTreeMap<String, String>,
) -> Vec<SchedulingLayer> {
    let mandatory = speakers.iter().filter_map(|speaker| {
        let constraints = speaker.constraints?.clone();
        Some(SchedulingLayer {
            place: speaker.to_string(),
            constraints,
        })
    });
    let options = speakers.iter().filter_map(|speaker| {
        let option = speaker.option(chosen)?;
        Some(SchedulingLayer {
            place: format!("scheduling option {} of {speaker}", option.name),
            constraints: option.scheduling_constraints.clone().unwrap_or_default(),
        })
    });
    let own = SchedulingLayer {
        place: "the request's nodeSelector".to_owned(),
        constraints: SchedulingConstraints {
            node_selector: node_selector.clone(),
            ..SchedulingConstraints::default()
        },
    };
    mandatory
        .chain(options)
        .chain([own])
        .filter(|layer| !layer.constraints.is_empty())
        .collect()
}
