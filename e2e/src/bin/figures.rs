//! `make figures`: measures on the demo's own stack what docs/FIGURES.md tells, and prints it as that file's tables.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use breakglass_e2e::stack::{Stack, StackRequest};
use breakglass_e2e::wait::{self, Look};
use breakglass_e2e::{Cluster, OnFailure, Progress, User};
use clap::Parser;
use serde_json::Value;

const NAMESPACE: &str = "breakglass-debug";
const TEMPLATES: &str = include_str!("figures/templates.yaml");
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Parser)]
#[command(about = "Measures what docs/FIGURES.md tells")]
struct Cli {
    /// Runs of each measurement
    #[arg(long, default_value_t = 10)]
    runs: usize,
    /// Seconds that the agents idle before their memory is read
    #[arg(long, default_value_t = 300)]
    idle: u64,
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/figures"))]
    state: PathBuf,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let progress = Progress::start();
    let state = std::path::absolute(&cli.state)?;
    let clusters = ["west=2", "east"]
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_>>()?;
    let request = StackRequest {
        state: state.clone(),
        slot: None,
        clusters,
        on_failure: OnFailure::Remove,
    };
    let stack = Stack::up(&request, progress)?;
    fs::write(stack.templates().join("figures.yaml"), TEMPLATES)?;
    let measured = measure(&stack, &cli, progress);
    Stack::down(&state, progress)?;
    std::io::stdout()
        .write_all(measured?.as_bytes())
        .context("standard output")
}

fn measure(stack: &Stack, cli: &Cli, progress: Progress) -> Result<String> {
    let mut text = String::new();
    progress.say(format!("memory: idle for {} s", cli.idle));
    text += &memory(stack, Duration::from_secs(cli.idle))?;
    text += &sizes(stack)?;
    progress.say("request → pod Running");
    text += &request_to_running(stack, cli.runs)?;
    text += "\n| stream cut after … (ms) | min | median | max |\n| --- | --- | --- | --- |\n";
    for (template, says) in [
        ("figures-heeding", "heeds SIGTERM"),
        ("figures-stubborn", "ignores SIGTERM"),
    ] {
        progress.say(format!("terminate → stream cut, process 1 {says}"));
        let cuts = (0..cli.runs)
            .map(|_| terminate_cut(stack, template))
            .collect::<Result<_>>()?;
        text += &row(&format!("terminate, process 1 {says}"), cuts);
        progress.say(format!("expiry → stream cut, process 1 {says}"));
        let cuts = (0..cli.runs)
            .map(|_| expiry_cut(stack, template))
            .collect::<Result<_>>()?;
        text += &row(&format!("expiry, process 1 {says}"), cuts);
    }
    text += &webhook(stack)?;
    Ok(text)
}

fn row(what: &str, mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let at = |i: usize| values.get(i).copied().unwrap_or_default();
    format!(
        "| {what} | {:.0} | {:.0} | {:.0} |\n",
        at(0),
        at(values.len() / 2),
        at(values.len().saturating_sub(1))
    )
}

fn text_of(value: &Value) -> Result<String> {
    value
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("a text, not {value}"))
}

fn create(stack: &Stack, template: &str, more: &[&str]) -> Result<String> {
    let args = [
        "debug",
        "session",
        "create",
        "--template",
        template,
        "--cluster",
        "west",
        "--reason",
        "measuring the figures",
    ];
    // The hub looks at the templates folder every second.
    let created = wait::until("a session", Duration::from_secs(15), || {
        Ok(match stack.ask(User::Alice, &[&args, more].concat()) {
            Ok(created) => Look::Found(created),
            Err(error) => Look::NotYet(format!("{error:#}")),
        })
    })?;
    text_of(&created["metadata"]["name"])
}

fn terminate(stack: &Stack, name: &str) -> Result<()> {
    stack
        .ask(
            User::Alice,
            &["debug", "session", "terminate", name, "--yes"],
        )
        .map(drop)
}

fn await_done(stack: &Stack, name: &str) -> Result<()> {
    let done = |s: &Value| s["status"]["cleanup"]["finishedAt"].is_string();
    stack
        .await_session(name, "cleaned up", LIMIT, done)
        .map(drop)
}

/// Where the time between asking and getting in goes, as seen from outside: bgctl's own start is in each step.
fn request_to_running(stack: &Stack, runs: usize) -> Result<String> {
    let mut steps: [Vec<f64>; 5] = Default::default();
    let west = stack.cluster("west")?;
    // One that nobody counts: the image is on the nodes afterwards.
    for run in 0..=runs {
        let start = Instant::now();
        let name = create(stack, "figures-asked", &[])?;
        let created = start.elapsed();
        stack.ask(User::Carol, &["debug", "session", "approve", &name])?;
        let approved = start.elapsed();
        let deployment = format!("{name}-deploy");
        look(|| {
            Ok(west
                .kubectl(
                    User::Admin,
                    &["get", "deployment", &deployment, "-n", NAMESPACE],
                )?
                .status
                .success())
        })?;
        let deployed = start.elapsed();
        let mut pod = String::new();
        look(|| {
            pod = allowed_pod(stack, &name)?.unwrap_or_default();
            Ok(!pod.is_empty())
        })?;
        let running = start.elapsed();
        look(|| {
            Ok(west
                .kubectl(User::Alice, &["exec", "-n", NAMESPACE, &pod, "--", "true"])?
                .status
                .success())
        })?;
        let inside = start.elapsed();
        let spans = [
            created,
            approved - created,
            deployed - approved,
            running - deployed,
            inside - running,
        ];
        if run > 0 {
            steps
                .iter_mut()
                .zip(spans)
                .for_each(|(step, span)| step.push(millis(span)));
        }
        terminate(stack, &name)?;
        await_done(stack, &name)?;
    }
    let names = [
        "create (bgctl)",
        "approve (bgctl)",
        "Deployment in the cluster",
        "pod Running and ready, told by the hub",
        "first exec (kubectl)",
    ];
    let mut text =
        "\n| request → shell, by step (ms) | min | median | max |\n| --- | --- | --- | --- |\n"
            .to_owned();
    for (name, values) in names.iter().zip(steps) {
        text += &row(name, values);
    }
    Ok(text)
}

/// Looks again and again without a pause: what is measured is shorter than one.
fn look(mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + LIMIT;
    while !is_so()? {
        if Instant::now() > end {
            bail!("nothing within {LIMIT:?}");
        }
    }
    Ok(())
}

fn allowed_pod(stack: &Stack, name: &str) -> Result<Option<String>> {
    let session = stack.ask(User::Admin, &["debug", "session", "get", name])?;
    let pod = &session["status"]["allowedPods"][0];
    Ok((pod["ready"] == Value::Bool(true))
        .then(|| pod["name"].as_str().unwrap_or_default().to_owned()))
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

struct Shell(Child);

impl Shell {
    fn open(cluster: &Cluster, pod: &str) -> Result<Shell> {
        let mut command = cluster.kubectl_command(User::Alice)?;
        command.args([
            "exec",
            "-i",
            "-n",
            NAMESPACE,
            pod,
            "--",
            "sh",
            "-c",
            "echo open; exec cat",
        ]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        let out = child.stdout.as_mut().context("no standard output")?;
        BufReader::new(out).read_line(&mut line)?;
        if line.trim() != "open" {
            bail!("the shell did not open");
        }
        Ok(Shell(child))
    }

    /// Waits, without looking away, until it ends by itself.
    fn await_cut(&mut self) -> Result<()> {
        // Its standard input stays open: taking it would end the shell.
        let input = self.0.stdin.take();
        let ended = self.0.wait().map(drop).context("waiting for kubectl");
        drop(input);
        ended
    }
}

fn ready(stack: &Stack, name: &str) -> Result<String> {
    wait::until("a ready pod", LIMIT, || {
        Ok(allowed_pod(stack, name)?.map_or_else(|| Look::NotYet("none".into()), Look::Found))
    })
}

fn terminate_cut(stack: &Stack, template: &str) -> Result<f64> {
    let name = create(stack, template, &[])?;
    let mut shell = Shell::open(&stack.cluster("west")?, &ready(stack, &name)?)?;
    let start = Instant::now();
    terminate(stack, &name)?;
    shell.await_cut()?;
    let cut = millis(start.elapsed());
    await_done(stack, &name)?;
    Ok(cut)
}

fn expiry_cut(stack: &Stack, template: &str) -> Result<f64> {
    let name = create(stack, template, &["--duration", "8s"])?;
    let mut shell = Shell::open(&stack.cluster("west")?, &ready(stack, &name)?)?;
    let session = stack.ask(User::Admin, &["debug", "session", "get", &name])?;
    let expires = text_of(&session["status"]["expiresAt"])?;
    shell.await_cut()?;
    let now = wall_seconds()?;
    await_done(stack, &name)?;
    Ok((now - seconds(&expires)?) * 1000.0)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a measurement against a time of day that the hub told"
)]
fn wall_seconds() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}

/// Seconds since 1970 of an RFC 3339 time, by the machine's own `date`.
fn seconds(time: &str) -> Result<f64> {
    let output = std::process::Command::new("date")
        .args(["-u", "-d", time, "+%s.%N"])
        .output()?;
    String::from_utf8(output.stdout)?
        .trim()
        .parse()
        .with_context(|| format!("a time, not {time:?}"))
}

fn memory(stack: &Stack, idle: Duration) -> Result<String> {
    let end = Instant::now() + idle;
    wait::until("idle", idle + Duration::from_secs(5), || {
        Ok(if Instant::now() >= end {
            Look::Found(())
        } else {
            Look::NotYet("idle".into())
        })
    })?;
    let mut text = "| memory (MiB) | resident |\n| --- | --- |\n".to_owned();
    for cluster in stack.testbed().clusters() {
        text += &format!(
            "| agent in {}, idle {} s | {:.1} |\n",
            cluster.name(),
            idle.as_secs(),
            agent_memory(stack, &cluster)?
        );
    }
    text += &format!(
        "| hub with two agents | {:.1} |\n",
        resident(stack.hub()?.pid())?
    );
    Ok(text)
}

fn agent_memory(stack: &Stack, cluster: &Cluster) -> Result<f64> {
    let pod = stack.agent_pod(cluster)?;
    let uid = cluster.admin(&[
        "-n",
        "breakglass-agent",
        "get",
        "pod",
        &pod,
        "-o",
        "jsonpath={.metadata.uid}",
    ])?;
    for entry in fs::read_dir("/proc")?.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|text| text.parse::<i32>().ok()) else {
            continue;
        };
        let cgroup = fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
        let command = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if cgroup.contains(uid.trim()) && command.starts_with("breakglass") {
            return resident(pid);
        }
    }
    bail!("no process of the agent's pod {pod}")
}

fn resident(pid: i32) -> Result<f64> {
    let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

fn sizes(stack: &Stack) -> Result<String> {
    let mut text = "\n| program (static, stripped) | MiB |\n| --- | --- |\n".to_owned();
    let artifacts = stack.artifacts();
    for (name, path) in [
        ("breakglass-hub", artifacts.hub()),
        ("breakglass-agent", artifacts.agent()),
        ("bgctl", artifacts.bgctl()),
    ] {
        #[expect(clippy::cast_precision_loss, reason = "a size to one decimal")]
        let mib = fs::metadata(path)?.len() as f64 / 1024.0 / 1024.0;
        text += &format!("| {name} | {mib:.1} |\n");
    }
    Ok(text)
}

/// From the API server's own histogram: how long it waited for the webhook.
fn webhook(stack: &Stack) -> Result<String> {
    let metrics = stack.cluster("west")?.admin(&["get", "--raw=/metrics"])?;
    let lines = metrics.lines().filter(|l| {
        l.starts_with("apiserver_authorization_webhook_duration_seconds")
            && l.contains("breakglass")
    });
    let mut text = "\nThe API server's histogram of the webhook's answers:\n\n```\n".to_owned();
    for line in lines {
        text += line;
        text += "\n";
    }
    text += "```\n";
    Ok(text)
}
