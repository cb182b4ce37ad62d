//! What the tests tell their stories with: sessions by template, kubectl as somebody, and pods that answer.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use breakglass_e2e::stack::Stack;
use breakglass_e2e::wait::{self, Look};
use breakglass_e2e::{Cluster, User};
use serde_json::Value;

/// Where the sessions' pods are.
pub const NAMESPACE: &str = "breakglass-debug";
/// A pod is ready within three seconds; the rest is for a busy machine.
pub const READY: Duration = Duration::from_secs(60);
/// An end takes as long as its pods' grace; the rest is for a busy machine.
pub const GONE: Duration = Duration::from_secs(60);
const TEMPLATES: &str = include_str!("templates.yaml");

/// Lays the tests' templates and waits until the hub offers them.
pub fn prepare(stack: &Stack) -> Result<()> {
    let file = stack.templates().join("it.yaml");
    std::fs::write(&file, TEMPLATES).with_context(|| format!("{}", file.display()))?;
    let wanted = TEMPLATES.matches("kind: DebugSessionTemplate").count();
    wait::until(
        "the tests' templates in the hub",
        Duration::from_secs(20),
        || {
            let list = stack.ask(User::Alice, &["debug", "template", "list", "--all"])?;
            let found = list["templates"].as_array().map_or(0, Vec::len);
            Ok(if found >= wanted {
                Look::Found(())
            } else {
                let log =
                    std::fs::read_to_string(stack.folder().join("log/hub.log")).unwrap_or_default();
                Look::NotYet(format!(
                    "{found} of {wanted}; {}",
                    log.lines()
                        .filter(|l| l.contains("it.yaml"))
                        .collect::<Vec<_>>()
                        .join("\n")
                ))
            })
        },
    )
}

/// Usable: its pod template is there too.
pub fn await_offered(stack: &Stack, name: &str) -> Result<()> {
    let what = format!("template {name} in the hub");
    wait::until(&what, Duration::from_secs(20), || {
        let found = stack.ask(User::Alice, &["debug", "template", "get", name]);
        Ok(match found {
            Ok(found) if found["hasAvailableClusters"] == Value::Bool(true) => Look::Found(()),
            Ok(found) => Look::NotYet(found.to_string()),
            Err(error) => Look::NotYet(format!("{error:#}")),
        })
    })
}

/// A session of alice's on one cluster.
pub struct Session<'a> {
    pub stack: &'a Stack,
    pub cluster: Cluster,
    pub name: String,
}

impl<'a> Session<'a> {
    /// Asked for by alice; not approved.
    pub fn asked(
        stack: &'a Stack,
        cluster: &str,
        template: &str,
        more: &[&str],
    ) -> Result<Session<'a>> {
        let args = [
            "debug",
            "session",
            "create",
            "--template",
            template,
            "--cluster",
            cluster,
            "--reason",
            "an end-to-end test",
        ];
        let created = stack.ask(User::Alice, &[&args, more].concat())?;
        let name = text(&created["metadata"]["name"])?;
        Ok(Session {
            stack,
            cluster: stack.cluster(cluster)?,
            name,
        })
    }

    /// Asked for and approved by carol.
    pub fn approved(
        stack: &'a Stack,
        cluster: &str,
        template: &str,
        more: &[&str],
    ) -> Result<Session<'a>> {
        let session = Session::asked(stack, cluster, template, more)?;
        stack.ask(User::Carol, &["debug", "session", "approve", &session.name])?;
        Ok(session)
    }

    /// Approved, with this many ready pods.
    pub fn ready(
        stack: &'a Stack,
        cluster: &str,
        template: &str,
        pods: usize,
    ) -> Result<Session<'a>> {
        let session = Session::approved(stack, cluster, template, &[])?;
        session.await_pods(pods)?;
        Ok(session)
    }

    pub fn get(&self) -> Result<Value> {
        self.stack
            .ask(User::Admin, &["debug", "session", "get", &self.name])
    }

    pub fn act(&self, user: User, verb: &str, more: &[&str]) -> Result<Value> {
        self.stack.ask(
            user,
            &[&["debug", "session", verb, &self.name], more].concat(),
        )
    }

    pub fn await_so(
        &self,
        what: &str,
        limit: Duration,
        is_so: impl FnMut(&Value) -> bool,
    ) -> Result<Value> {
        self.stack.await_session(&self.name, what, limit, is_so)
    }

    /// Waits for exactly so many allowed pods, all ready.
    pub fn await_pods(&self, wanted: usize) -> Result<Vec<Value>> {
        let session = self.await_so(&format!("{wanted} ready pods"), READY, |session| {
            let pods = session["status"]["allowedPods"].as_array();
            pods.is_some_and(|pods| {
                pods.len() == wanted && pods.iter().all(|pod| pod["ready"] == Value::Bool(true))
            })
        })?;
        Ok(session["status"]["allowedPods"]
            .as_array()
            .cloned()
            .unwrap_or_default())
    }

    /// The one pod's name.
    pub fn pod(&self) -> Result<String> {
        let session = self.get()?;
        text(&session["status"]["allowedPods"][0]["name"])
    }

    /// Waits until the session has that state and the agent's proof is complete.
    pub fn await_end(&self, state: &str) -> Result<Value> {
        self.await_so(&format!("{state}, cleaned up"), GONE, |session| {
            session["status"]["state"] == state
                && session["status"]["cleanup"]["finishedAt"].is_string()
        })
    }

    /// Ends it, whatever the test did with it.
    pub fn end(&self) -> Result<Value> {
        self.act(User::Alice, "terminate", &["--yes"])?;
        self.await_end("Terminated")
    }

    /// `kubectl exec` of a short command.
    pub fn exec(&self, user: User, pod: &str, command: &[&str]) -> Result<Output> {
        self.cluster.kubectl(
            user,
            &[&["exec", "-n", NAMESPACE, pod, "--"], command].concat(),
        )
    }
}

/// A text that must be there.
pub fn text(value: &Value) -> Result<String> {
    value
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("a text, not {value}"))
}

/// The command did what was asked.
pub fn works(output: &Output, what: &str) -> Result<String> {
    ensure!(
        output.status.success(),
        "{what} should work, but: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The API server said no, as it does to somebody without rights.
pub fn refused(output: &Output, what: &str) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        !output.status.success(),
        "{what} should be refused, but works: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    ensure!(
        said.contains("forbidden") || said.contains("Forbidden"),
        "{what} should be forbidden, but fails otherwise: {said}"
    );
    Ok(())
}

/// A program that goes on running, ended when it is dropped.
pub struct Running(Child);

impl Running {
    /// Starts kubectl and waits for the first line that it prints and that holds `until`.
    pub fn kubectl(
        cluster: &Cluster,
        user: User,
        args: &[&str],
        until: &str,
        env: &[(&str, &str)],
    ) -> Result<(Running, String)> {
        let mut command = cluster.kubectl_command(user)?;
        command
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().context("could not start kubectl")?;
        let mut running = Running(child);
        let out = running.0.stdout.take().context("no standard output")?;
        let mut reader = BufReader::new(out);
        let mut line = String::new();
        while !line.contains(until) {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                let mut said = String::new();
                if let Some(mut err) = running.0.stderr.take() {
                    std::io::Read::read_to_string(&mut err, &mut said)?;
                }
                bail!(
                    "kubectl {} ended before it said {until:?}: {}",
                    args.join(" "),
                    said.trim()
                );
            }
        }
        // The reader stays open: a closed pipe would end kubectl for another reason than the one that is tested.
        std::mem::forget(reader);
        Ok((running, line))
    }

    /// An open shell: `sh` that waits for its standard input.
    pub fn shell(session: &Session<'_>, user: User, pod: &str) -> Result<Running> {
        let args = [
            "exec",
            "-i",
            "-n",
            NAMESPACE,
            pod,
            "--",
            "sh",
            "-c",
            "echo open; exec cat",
        ];
        Ok(Running::kubectl(&session.cluster, user, &args, "open", &[])?.0)
    }

    pub fn is_open(&mut self) -> Result<bool> {
        Ok(self.0.try_wait()?.is_none())
    }

    /// Waits until it ends by itself, and says when that was.
    pub fn await_cut(&mut self, limit: Duration) -> Result<Instant> {
        wait::until("the open stream's end", limit, || {
            Ok(match self.0.try_wait()? {
                Some(_) => Look::Found(Instant::now()),
                None => Look::NotYet("still open".into()),
            })
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Session<'_> {
    /// A change of people reaches the agent over the link: waits until this person gets in.
    pub fn await_allowed(&self, user: User, pod: &str) -> Result<()> {
        self.await_allowed_within(user, pod, Duration::from_secs(10))
    }

    /// The same, where something must come back first.
    pub fn await_allowed_within(&self, user: User, pod: &str, limit: Duration) -> Result<()> {
        wait::until(&format!("exec by {user}"), limit, || {
            let output = self.exec(user, pod, &["true"])?;
            Ok(if output.status.success() {
                Look::Found(())
            } else {
                Look::NotYet(String::from_utf8_lossy(&output.stderr).into_owned())
            })
        })
    }

    /// Waits until this person is refused.
    pub fn await_refused(&self, user: User, pod: &str) -> Result<()> {
        wait::until(
            &format!("refusal of {user}"),
            Duration::from_secs(10),
            || {
                let output = self.exec(user, pod, &["true"])?;
                Ok(if refused(&output, "exec").is_ok() {
                    Look::Found(())
                } else {
                    Look::NotYet("still lets in".into())
                })
            },
        )
    }
}
