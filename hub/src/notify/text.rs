//! The texts of mails: Jinja over a notice. Built in for every occasion, replaced one by one in `--destinations`. What
//! people wrote comes in cleaned and on one line (`hub_core::notice::legible`), and is a value, never template.

use std::collections::BTreeMap;
use std::sync::Arc;

use breakglass_hub_core::notice::{Notice, Occasion, legible};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::{Deserialize, Serialize};

mod built_in;

/// Characters of a subject: what mail programs show, three times over.
const MAX_SUBJECT: usize = 200;
/// A mail of a page or three; values are bounded, so more is a loop in a text.
const MAX_BODY: usize = 16 * 1024;
/// Steps of one render.
const FUEL: u64 = 50_000;

/// Subject and body of one occasion, as the configuration gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Text {
    pub subject: Option<String>,
    pub body: Option<String>,
}

/// Every occasion's texts, compiled.
#[derive(Clone, Debug)]
pub struct Texts(Arc<Environment<'static>>);

/// What a mail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    pub body: String,
}

/// The notice, and what is easier said than computed in a text.
#[derive(Serialize)]
struct Context<'a> {
    #[serde(flatten)]
    notice: &'a Notice,
    duration: String,
    /// How much more is asked for.
    extension: String,
}

impl Default for Texts {
    fn default() -> Self {
        let mut environment = empty();
        for occasion in Occasion::ALL {
            let text = built_in::of(occasion);
            for (field, source) in [("subject", text.subject), ("body", text.body)] {
                // A test compiles and renders every one of them.
                if let Err(error) = environment.add_template_owned(name(occasion, field), source) {
                    tracing::error!(%error, "a built-in text is broken");
                }
            }
        }
        Self(Arc::new(environment))
    }
}

impl Texts {
    /// The built-in texts with some of them replaced.
    ///
    /// # Errors
    /// Which text does not render and why, by its field.
    pub fn with(replaced: BTreeMap<Occasion, Text>) -> Result<Self, String> {
        let Self(built_in) = Self::default();
        let mut environment = Arc::unwrap_or_clone(built_in);
        for (occasion, text) in replaced {
            for (field, source) in [("subject", text.subject), ("body", text.body)] {
                let Some(source) = source else { continue };
                let path = name(occasion, field);
                environment
                    .add_template_owned(path.clone(), source)
                    .map_err(|error| format!("{path} {error}"))?;
                render(&environment, &path, &built_in::sample(occasion))
                    .map_err(|error| format!("{path} {error}"))?;
            }
        }
        Ok(Self(Arc::new(environment)))
    }

    /// What a mail of a notice says.
    ///
    /// # Errors
    /// If a text of the configuration fails on this notice.
    pub fn render(&self, notice: &Notice) -> Result<Rendered, String> {
        let text = |field| {
            let path = name(notice.occasion, field);
            render(&self.0, &path, notice).map_err(|error| format!("the text {path} {error}"))
        };
        let subject = legible(&text("subject")?);
        Ok(Rendered {
            subject: subject.chars().take(MAX_SUBJECT).collect(),
            body: text("body")?.chars().take(MAX_BODY).collect(),
        })
    }
}

fn empty() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment
}

fn name(occasion: Occasion, field: &str) -> String {
    format!("{}.{field}", occasion.as_str())
}

fn render(environment: &Environment<'_>, path: &str, notice: &Notice) -> Result<String, String> {
    let context = Context {
        notice,
        duration: duration(notice.requested_seconds),
        extension: duration(notice.extend_by_seconds),
    };
    environment
        .get_template(path)
        .and_then(|template| template.render(Serde(context)))
        .map_err(|error| format!("does not render: {error}"))
}

/// As people write it: `1h30m`.
fn duration(seconds: u64) -> String {
    let parts = [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let text: String = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::built_in::sample;
    use super::*;

    #[test]
    fn every_built_in_text_renders() {
        let texts = Texts::default();
        for occasion in Occasion::ALL {
            let mut notice = sample(occasion);
            let full = texts.render(&notice).unwrap();
            assert!(!full.subject.is_empty() && full.body.contains("debug-session-abc123"));
            notice.expires_at = None;
            (notice.by, notice.reason, notice.decision_reason) = Default::default();
            texts.render(&notice).unwrap();
        }
    }

    #[test]
    fn s20_a_value_is_never_template_nor_header() {
        let mut notice = sample(Occasion::Request);
        notice.reason = legible("{{ session }} {% for x in range(9) %}\r\nBcc: eve@example.com");
        notice.cluster = "a\r\nBcc: eve@example.com".to_owned();
        let rendered = Texts::default().render(&notice).unwrap();
        assert!(rendered.body.contains("{{ session }} {% for x"));
        assert!(!rendered.subject.contains(['\r', '\n']), "{rendered:?}");
    }

    #[test]
    fn a_replaced_text_is_tried_at_load() {
        let replace = |subject: &str| {
            let text = Text {
                subject: Some(subject.to_owned()),
                body: None,
            };
            Texts::with(BTreeMap::from([(Occasion::Expired, text)]))
        };
        let texts = replace("{{ session }} is over").unwrap();
        let rendered = texts.render(&sample(Occasion::Expired)).unwrap();
        assert_eq!(rendered.subject, "debug-session-abc123 is over");
        for bad in [
            "{{ secret }}",
            "{% if %}",
            "{% for i in range(99999) %}x{% endfor %}",
        ] {
            let error = replace(bad).unwrap_err();
            assert!(error.starts_with("expired.subject "), "{error}");
        }
    }

    #[test]
    fn durations_read_as_people_write_them() {
        for (seconds, wanted) in [(0, "0s"), (90, "1m30s"), (3600, "1h"), (90_061, "25h1m1s")] {
            assert_eq!(duration(seconds), wanted);
        }
    }
}
