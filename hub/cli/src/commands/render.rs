//! `bgctl template render`: what the agent would make of a template, offline.

use std::io::{BufRead as _, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use breakglass_protocol::kinds::debug_pod_template::{DebugPodTemplate, TemplateEngine};
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;
use breakglass_protocol::limits::MAX_MANIFEST_BYTES;
use breakglass_protocol::manifest::{self, Manifest};
use breakglass_protocol::wire::grant::{AuxiliarySource, TemplateText};
use breakglass_render::offline::{self, Wanted};
use breakglass_render::{Context, Input, Limits, compile};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::check;
use crate::args::Render;
use crate::output;

/// Longest line of `--json-lines`: a template and a context as large as they may be.
const MAX_LINE_BYTES: u64 = 8 * 1024 * 1024;
/// Offline, random functions give the same with every run.
const SEED: [u8; 32] = [0; 32];

/// Renders one file, or every line of standard input.
pub fn run(args: &Render, context: Option<&str>) -> Result<ExitCode> {
    if args.json_lines {
        if context.is_some() {
            bail!("--json-lines reads a context in each line; leave --context out");
        }
        return json_lines();
    }
    let Some(file) = &args.file else {
        bail!("name a FILE to render, or give --json-lines");
    };
    let context = match context {
        Some(path) => read_context(Path::new(path))?,
        None => Value::Object(serde_json::Map::new()),
    };
    let now = now_of(&context)?;
    let scene = Offline {
        context: Context::new(context),
        now,
    };
    let text = check::read(file).map_err(|why| anyhow::anyhow!("{}: {why}", file.display()))?;
    let name = file.display().to_string();
    let rendered = match args.engine {
        Some(engine) => vec![scene.plain(&name, engine.into(), &text)?],
        None => scene.manifests(&name, &text)?,
    };
    for (index, text) in rendered.iter().enumerate() {
        if index > 0 && !text.trim_start().starts_with("---") {
            output::write_out("---\n")?;
        }
        output::write_out(text)?;
        if !text.ends_with('\n') {
            output::write_out("\n")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read_context(path: &Path) -> Result<Value> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| {
            file.take(MAX_MANIFEST_BYTES as u64 + 1)
                .read_to_string(&mut text)
        })
        .with_context(|| format!("the context {} cannot be read", path.display()))?;
    if text.len() > MAX_MANIFEST_BYTES {
        bail!(
            "the context {} has more than {MAX_MANIFEST_BYTES} bytes",
            path.display()
        );
    }
    serde_json::from_str(&text)
        .with_context(|| format!("the context {} is not JSON", path.display()))
}

/// The context's own time, if it has one.
fn now_of(context: &Value) -> Result<Timestamp> {
    match context.get("now") {
        Some(Value::String(text)) => text.parse().with_context(|| {
            format!("the context's now {text:?} is not a time such as 2026-01-02T03:04:05Z")
        }),
        Some(Value::Null) | None => Ok(Timestamp::now()),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            bail!("the context's now must be a text such as \"2026-01-02T03:04:05Z\"")
        }
    }
}

struct Offline {
    context: Context,
    now: Timestamp,
}

impl Offline {
    /// A file that is nothing but a template's text.
    fn plain(&self, name: &str, engine: TemplateEngine, text: &str) -> Result<String> {
        let input = Input {
            context: self.context.clone(),
            now: self.now,
            seed: SEED,
            limits: Limits::default(),
        };
        Ok(compile(engine, name, text)?.render(&input)?.text)
    }

    /// Every text of every template in a file of manifests.
    fn manifests(&self, name: &str, text: &str) -> Result<Vec<String>> {
        let outcome = manifest::decode(name, text);
        for error in &outcome.errors {
            output::note(&error.to_string());
        }
        if !outcome.errors.is_empty() {
            bail!(
                "{name} cannot be rendered; a file that is a template's text and no manifest needs --engine go or --engine jinja"
            );
        }
        let mut rendered = Vec::new();
        for document in &outcome.documents {
            match &document.manifest {
                Manifest::DebugPodTemplate(template) => {
                    self.pod_template(template, &mut rendered)?
                }
                Manifest::DebugSessionTemplate(template) => {
                    self.session_template(template, &mut rendered)?;
                }
                Manifest::DebugSessionClusterBinding(_)
                | Manifest::DebugSession(_)
                | Manifest::DenyPolicy(_)
                | Manifest::Cluster(_) => {}
            }
        }
        if rendered.is_empty() {
            bail!("{name} holds no template with a pod or a text to render");
        }
        Ok(rendered)
    }

    fn pod_template(&self, template: &DebugPodTemplate, out: &mut Vec<String>) -> Result<()> {
        let name = template.metadata.name.as_deref().unwrap_or_default();
        if let Some(text) = &template.spec.template_string {
            let source = TemplateText {
                engine: template.spec.template_engine.unwrap_or_default(),
                text: text.clone(),
                place: format!("DebugPodTemplate {name} spec.templateString"),
            };
            out.push(self.text(&source, Wanted::Pod)?);
        } else if let Some(pod) = &template.spec.template {
            out.push(serde_saphyr::to_string(&serde_json::to_value(pod)?)?);
        }
        Ok(())
    }

    fn session_template(
        &self,
        template: &DebugSessionTemplate,
        out: &mut Vec<String>,
    ) -> Result<()> {
        let name = template.metadata.name.as_deref().unwrap_or_default();
        let spec = &template.spec;
        let engine = spec.template_engine.unwrap_or_default();
        let source = |field: &str, text: &str| TemplateText {
            engine,
            text: text.to_owned(),
            place: format!("DebugSessionTemplate {name} {field}"),
        };
        if let Some(text) = &spec.pod_template_string {
            out.push(self.text(&source("spec.podTemplateString", text), Wanted::Pod)?);
        }
        if let Some(text) = &spec.pod_overrides_template {
            let text = source("spec.podOverridesTemplate", text);
            out.push(self.text(&text, Wanted::Overrides)?);
        }
        for (index, resource) in spec.auxiliary_resources.iter().enumerate() {
            let field = format!("spec.auxiliaryResources[{index}]");
            if let Some(text) = &resource.template_string {
                let text = source(&format!("{field}.templateString"), text);
                out.push(self.text(&text, Wanted::Objects)?);
            } else if let Some(object) = &resource.template {
                let source = AuxiliarySource::Structured {
                    engine,
                    template: Value::Object(object.clone()),
                    place: format!("DebugSessionTemplate {name} {field}.template"),
                };
                for object in offline::render_structured(&source, &self.context, self.now, SEED)? {
                    out.push(serde_saphyr::to_string(&object)?);
                }
            }
        }
        Ok(())
    }

    fn text(&self, source: &TemplateText, wanted: Wanted) -> Result<String> {
        let shown = offline::render(source, wanted, &self.context, self.now, SEED)?;
        if let Some(warning) = shown.warning {
            output::note(&format!(
                "warning: were these values typed by a requester, the session would fail: {warning}"
            ));
        }
        Ok(shown.text)
    }
}

/// One line of standard input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    template: String,
    #[serde(default)]
    context: Value,
    #[serde(default)]
    engine: TemplateEngine,
}

/// One line of standard output.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Answer {
    Output(String),
    Error(String),
}

/// Answers each line as soon as it is read. Errors are answers: the exit code is 0 unless the streams fail.
fn json_lines() -> Result<ExitCode> {
    let mut input = std::io::stdin().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = input
            .by_ref()
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let is_cut = !line.ends_with(b"\n") && read as u64 >= MAX_LINE_BYTES;
        let answer = if is_cut {
            skip_line(&mut input)?;
            Answer::Error(format!("the line has more than {MAX_LINE_BYTES} bytes"))
        } else {
            answer(&line)
        };
        let mut text = serde_json::to_string(&answer)?;
        text.push('\n');
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
    }
}

fn skip_line(input: &mut impl std::io::BufRead) -> Result<()> {
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            return Ok(());
        }
        let (length, ends) = match available.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (available.len(), false),
        };
        input.consume(length);
        if ends {
            return Ok(());
        }
    }
}

fn answer(line: &[u8]) -> Answer {
    let line: Line = match serde_json::from_slice(line) {
        Ok(line) => line,
        Err(error) => {
            return Answer::Error(format!(
                "the line is not {{\"template\", \"context\", \"engine\"}}: {error}"
            ));
        }
    };
    let rendered = now_of(&line.context)
        .map_err(|error| format!("{error:#}"))
        .and_then(|now| {
            let input = Input {
                context: Context::new(line.context),
                now,
                seed: SEED,
                limits: Limits::default(),
            };
            compile(line.engine, "template", &line.template)
                .and_then(|template| template.render(&input))
                .map_err(|error| error.to_string())
        });
    match rendered {
        Ok(rendered) => Answer::Output(rendered.text),
        Err(error) => Answer::Error(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &Value) -> Value {
        serde_json::to_value(answer(line.to_string().as_bytes())).unwrap()
    }

    #[test]
    fn one_line_is_one_answer() {
        let told = ask(&serde_json::json!({
            "template": "a: {{ .vars.image | quote }}", "context": {"vars": {"image": "b:1"}}
        }));
        assert_eq!(told, serde_json::json!({"output": "a: \"b:1\""}));
        let told = ask(&serde_json::json!({
            "template": "a: {{ vars.image }}", "context": {"vars": {"image": "b:1"}}, "engine": "jinja"
        }));
        assert_eq!(told, serde_json::json!({"output": "a: b:1"}));
        let told = ask(&serde_json::json!({"template": "{{ .a"}));
        assert!(
            told["error"].as_str().unwrap().starts_with("template:1:"),
            "{told}"
        );
        assert!(ask(&serde_json::json!({"tmplate": ""}))["error"].is_string());
    }
}
