//! The program itself, offline: its flags, its exit codes, what it writes where.

// A test that cannot start the program has nothing to prove.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod waiting;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn bgctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bgctl"));
    // Of no meaning offline: it must not be taken for the template's context.
    command.env("BGCTL_CONTEXT", "production");
    command
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

const POD: &str = "apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugPodTemplate
metadata: {name: dynamic}
spec:
  templateString: |
    containers:
      - name: debug-{{ .session.name | trunc 5 }}
        image: {{ .vars.image | default \"alpine:latest\" }}
    {{- if eq .vars.volume \"true\" }}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: {{ .Session.Name }}}
    {{- end }}
";

#[test]
fn render_shows_what_the_agent_would_make() {
    let files = Files::new();
    let pod = files.write("pod.yaml", POD);
    let context = files.write(
        "context.json",
        r#"{"session": {"name": "session-1"}, "vars": {"volume": "true"}}"#,
    );
    let output = bgctl()
        .args(["template", "render"])
        .arg(&pod)
        .arg("--context")
        .arg(&context)
        .output()
        .unwrap();
    assert_eq!(
        told(&output),
        (
            0,
            "containers:
  - name: debug-sessi
    image: alpine:latest
---
apiVersion: v1
kind: ConfigMap
metadata: {name: session-1}
"
            .to_owned(),
            String::new()
        )
    );
}

#[test]
fn render_tells_the_place_in_the_template_and_fails() {
    let files = Files::new();
    let pod = files.write("pod.yaml", POD);
    let output = bgctl()
        .args(["template", "render"])
        .arg(&pod)
        .output()
        .unwrap();
    let (code, out, told) = told(&output);
    assert_eq!((code, out.as_str()), (1, ""), "{told}");
    assert!(
        told.contains("DebugPodTemplate dynamic spec.templateString:2:")
            && told.contains(".session"),
        "{told}"
    );
}

#[test]
fn a_text_that_is_no_manifest_needs_its_language() {
    let files = Files::new();
    let text = files.write("t.tpl", "a: {{ .vars.a }}\n");
    let context = files.write("c.json", r#"{"vars": {"a": "x"}}"#);
    let run = |more: &[&str]| {
        let output = bgctl()
            .args(["template", "render"])
            .arg(&text)
            .args(more)
            .arg("--context")
            .arg(&context)
            .output()
            .unwrap();
        told(&output)
    };
    assert_eq!(
        run(&["--engine", "go"]),
        (0, "a: x\n".to_owned(), String::new())
    );
    let (code, _, told) = run(&[]);
    assert_eq!(code, 1);
    assert!(told.contains("--engine go"), "{told}");
}

#[test]
fn values_that_a_requester_may_not_type_are_a_warning() {
    let files = Files::new();
    let pod = files.write(
        "pod.yaml",
        &POD.replace("default \"alpine:latest\"", "toString"),
    );
    let context = files.write(
        "context.json",
        r#"{"session": {"name": "session-1"}, "vars": {"volume": "", "image": "[a, b]"}}"#,
    );
    let output = bgctl()
        .args(["template", "render"])
        .arg(&pod)
        .arg("--context")
        .arg(&context)
        .output()
        .unwrap();
    let (code, out, told) = told(&output);
    assert_eq!(code, 0, "{told}");
    assert!(out.contains("image: [a, b]"), "{out}");
    assert!(
        told.contains("warning") && told.contains("spec.templateString:3"),
        "{told}"
    );
}

#[test]
fn json_lines_answer_line_by_line_and_never_fail() {
    let mut child = bgctl()
        .args(["template", "render", "--json-lines"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(
            br#"{"template": "{{ .a | quote }}", "context": {"a": "x"}}
{"template": "{{ a }}", "context": {"a": true}, "engine": "jinja"}

{"template": "{{ nope }}"}
garbage
"#,
        )
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let (code, out, _) = told(&output);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(code, 0);
    assert_eq!(lines.len(), 4, "{out}");
    assert_eq!(lines[0], r#"{"output":"\"x\""}"#);
    assert_eq!(lines[1], r#"{"output":"true"}"#);
    assert!(
        lines[2].starts_with(r#"{"error":"template:1:4: no function"#),
        "{out}"
    );
    assert!(
        lines[3].starts_with(r#"{"error":"the line is not"#),
        "{out}"
    );
}

#[test]
fn check_tells_file_line_and_column_of_a_text() {
    let files = Files::new();
    let pod = files.write("pod.yaml", &POD.replace("trunc", "trunk"));
    let output = bgctl()
        .args(["template", "check"])
        .arg(&pod)
        .output()
        .unwrap();
    let (code, _, told) = told(&output);
    assert_eq!(code, 1);
    assert!(
        told.contains("pod.yaml:7:") && told.contains("did you mean \"trunc\"?"),
        "{told}"
    );
}
