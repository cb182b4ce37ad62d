//! Mistakes are told to whoever wrote the template: by the hub that loads it, and by bgctl before that.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use breakglass_e2e::User;
use breakglass_e2e::stack::Stack;
use breakglass_e2e::wait::{self, Look};

use super::sample;
use crate::Case;
use crate::manifests::log_says;
use crate::story::works;

pub const CASES: &[Case] = &[
    (
        "templates::authors::a_typo_is_refused_with_file_line_and_column",
        typo,
    ),
    ("templates::authors::bgctl_renders_a_sample_offline", render),
];

/// The typo stands in line 10, column 49 of the file.
const TYPO: &str = "apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugPodTemplate
metadata: {name: it-typo-pod}
spec:
  templateString: |
    containers:
      - name: debug
        image: busybox:latest
        env:
          - {name: N, value: {{ .session.name | qoute }}}
---
apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugSessionTemplate
metadata: {name: it-typo}
spec:
  podTemplateRef: {name: it-typo-pod}
  allowed: {groups: [sre-team], clusters: [\"*\"]}
";
const PLACE: &str = "it-typo.yaml:10:49";
const WORDS: &str = "no function \"qoute\" in {{ .session.name | qoute }}; did you mean \"quote\"?";

fn typo(stack: &Stack) -> Result<()> {
    let file = stack.templates().join("it-typo.yaml");
    std::fs::write(&file, TYPO).with_context(|| format!("{}", file.display()))?;
    let told = told_everywhere(stack, &file);
    std::fs::remove_file(&file)?;
    told
}

fn told_everywhere(stack: &Stack, file: &Path) -> Result<()> {
    let create = [
        "debug",
        "session",
        "create",
        "--template",
        "it-typo",
        "--cluster",
        "east",
        "--reason",
        "an end-to-end test",
    ];
    wait::until(
        "a refusal that names the missing pod template",
        Duration::from_secs(15),
        || {
            let refused = stack.bgctl(User::Alice, &create)?;
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            ensure!(!refused.status.success(), "a session of a broken template");
            let is_so = said.contains("HTTP 422") && said.contains("it-typo-pod");
            Ok(if is_so {
                Look::Found(())
            } else {
                Look::NotYet(said)
            })
        },
    )?;
    // The log's JSON escapes the quotes.
    log_says(
        stack,
        "the refusal in the hub's log",
        &[PLACE, "no function", "qoute"],
    )?;
    let check = stack.bgctl(
        User::Alice,
        &["template", "check", &file.display().to_string()],
    )?;
    let said = String::from_utf8_lossy(&check.stderr);
    ensure!(check.status.code() == Some(1), "{:?}: {said}", check.status);
    for words in [PLACE, WORDS] {
        ensure!(said.contains(words), "{words:?} in {said}");
    }
    Ok(())
}

fn render(stack: &Stack) -> Result<()> {
    let context = stack.folder().join("templates-context.json");
    std::fs::write(
        &context,
        r#"{"session": {"name": "debug-session-abc123", "cluster": "east", "requestedBy": "alice@example.com"}, "vars": {"cpuLimit": "2", "hostNetwork": "true"}}"#,
    )?;
    let file = sample("dynamic-debug-pod.yaml");
    let rendered = stack.bgctl(
        User::Alice,
        &[
            "template",
            "render",
            &file.display().to_string(),
            "--context",
            &context.display().to_string(),
        ],
    );
    std::fs::remove_file(&context)?;
    let rendered = works(&rendered?, "bgctl template render")?;
    let wanted = r#"containers:
  - name: debug-debug-session-a
    image: alpine:latest
    command: ["sleep", "infinity"]
    env:
      - name: SESSION_NAME
        value: "debug-session-abc123"
      - name: CLUSTER
        value: "east"
      - name: REQUESTED_BY
        value: "alice@example.com"
    resources:
      limits:
        cpu: 2
        memory: 256Mi
hostNetwork: true
"#;
    ensure!(rendered == wanted, "{rendered}");
    Ok(())
}
