//! `make demo`: a hub, two clusters, and a session that alice may exec into; `make demo-down` removes it all.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use breakglass_e2e::stack::artifacts::CHECKOUT;
use breakglass_e2e::stack::{Stack, StackRequest};
use breakglass_e2e::{OnFailure, Progress, User};
use clap::{Parser, Subcommand};
use serde_json::Value;

/// The clusters of the demo: one with two nodes.
const CLUSTERS: [&str; 2] = ["west=2", "east"];
/// The templates that the demo starts with.
const TEMPLATES: &str = include_str!("demo/templates.yaml");
/// The image comes from next door; a pod is ready in two seconds.
const READY_LIMIT: Duration = Duration::from_secs(60);

#[derive(Parser)]
#[command(
    name = "demo",
    about = "The product on two real clusters on this machine"
)]
struct Cli {
    #[command(subcommand)]
    command: Task,
    /// Folder of everything that the demo makes
    #[arg(long, global = true, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.demo"))]
    state: PathBuf,
}

#[derive(Subcommand)]
enum Task {
    /// Start it, or find it running
    Up,
    /// End it and remove everything
    Down,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let progress = Progress::start();
    let state = std::path::absolute(&cli.state).context("--state")?;
    match cli.command {
        Task::Up => up(&state, progress),
        Task::Down => Stack::down(&state, progress),
    }
}

fn up(state: &Path, progress: Progress) -> Result<()> {
    let clusters = CLUSTERS
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_>>()?;
    let request = StackRequest {
        state: state.to_owned(),
        slot: None,
        clusters,
        on_failure: OnFailure::Keep,
    };
    let stack = Stack::up(&request, progress)?;
    lay_templates(&stack)?;
    lay_tools(&stack)?;
    progress.say("asking for a session as alice, approving it as carol");
    let session = approved_session(&stack)?;
    progress.say("a session is ready");
    tell(&stack, &session)
}

/// The demo's own file is written once: what the user changed in it stays.
fn lay_templates(stack: &Stack) -> Result<()> {
    let file = stack.templates().join("demo.yaml");
    if file.exists() {
        return Ok(());
    }
    fs::write(&file, TEMPLATES).with_context(|| format!("{}", file.display()))
}

fn lay_tools(stack: &Stack) -> Result<()> {
    let folder = stack.folder();
    let bin = folder.join("bin");
    let programs = stack.testbed().programs();
    for (name, target) in [
        ("bgctl", stack.artifacts().bgctl()),
        ("kubectl", programs.kubectl()),
        ("helm", programs.helm()),
    ] {
        link(&target, &bin.join(name))?;
    }
    let mut names = Vec::new();
    for cluster in stack.testbed().clusters() {
        names.push(cluster.name().to_owned());
        for user in User::ALL {
            let name = format!("{}-{}", cluster.name(), user.short_name());
            link(
                cluster.kubeconfig(user)?,
                &folder.join("kubeconfigs").join(name),
            )?;
        }
    }
    fs::write(folder.join("env"), environment(stack, &names)).context(".demo/env")
}

fn link(target: &Path, at: &Path) -> Result<()> {
    if let Some(folder) = at.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    }
    match fs::remove_file(at) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("{}", at.display()));
        }
        Ok(()) | Err(_) => {}
    }
    symlink(target, at).with_context(|| format!("{}", at.display()))
}

fn environment(stack: &Stack, clusters: &[String]) -> String {
    let folder = stack.folder().display();
    let token = |user| stack.people().token(user);
    format!(
        "# source this file: `source .demo/env`\n\
         export HUB={hub}\n\
         export CA={ca}\n\
         export ALICE_TOKEN={alice}\n\
         export BOB_TOKEN={bob}\n\
         export CAROL_TOKEN={carol}\n\
         export MALLORY_TOKEN={mallory}\n\
         export ADMIN_TOKEN={admin}\n\
         export CLUSTERS=\"{clusters}\"\n\
         # bgctl speaks as alice until you set another token\n\
         export BGCTL_SERVER=$HUB BGCTL_CA_FILE=$CA BGCTL_TOKEN=$ALICE_TOKEN\n\
         export PATH={folder}/bin:$PATH\n",
        hub = stack.hub_url(),
        ca = stack.ca().display(),
        alice = token(User::Alice),
        bob = token(User::Bob),
        carol = token(User::Carol),
        mallory = token(User::Mallory),
        admin = token(User::Admin),
        clusters = clusters.join(" "),
    )
}

/// An Active session of alice's with a ready pod: one that is there already, or a new one.
fn approved_session(stack: &Stack) -> Result<Value> {
    let list = stack.ask(
        User::Alice,
        &[
            "debug",
            "session",
            "list",
            "--mine",
            "--state",
            "active",
            "--cluster",
            "west",
        ],
    )?;
    let found = list["sessions"]
        .as_array()
        .and_then(|sessions| sessions.first())
        .and_then(|s| s["name"].as_str());
    let name = match found {
        Some(name) => name.to_owned(),
        None => new_session(stack)?,
    };
    stack.await_session(&name, "ready pods", READY_LIMIT, |session| {
        let pods = session["status"]["allowedPods"].as_array();
        pods.is_some_and(|pods| {
            !pods.is_empty() && pods.iter().all(|pod| pod["ready"] == Value::Bool(true))
        })
    })
}

fn new_session(stack: &Stack) -> Result<String> {
    let reason = "Looking at the demo of debug sessions";
    let create = [
        "debug",
        "session",
        "create",
        "--template",
        "shell",
        "--cluster",
        "west",
        "--duration",
        "1h",
        "--reason",
        reason,
    ];
    // The hub looks at the templates folder every second.
    let created = breakglass_e2e::wait::until(
        "the demo's templates in the hub",
        Duration::from_secs(15),
        || {
            Ok(match stack.ask(User::Alice, &create) {
                Ok(created) => breakglass_e2e::wait::Look::Found(created),
                Err(error) => breakglass_e2e::wait::Look::NotYet(format!("{error:#}")),
            })
        },
    )?;
    let Some(name) = created["metadata"]["name"].as_str() else {
        bail!("the hub made a session without a name")
    };
    stack.ask(
        User::Carol,
        &[
            "debug",
            "session",
            "approve",
            name,
            "--reason",
            "Approved for the demo",
        ],
    )?;
    Ok(name.to_owned())
}

fn tell(stack: &Stack, session: &Value) -> Result<()> {
    let pod = &session["status"]["allowedPods"][0];
    let (Some(name), Some(pod_name), Some(namespace)) = (
        session["metadata"]["name"].as_str(),
        pod["name"].as_str(),
        pod["namespace"].as_str(),
    ) else {
        bail!("the session has no pod: {session}")
    };
    let folder = shown(stack.folder());
    let exec = |who: &str| {
        format!(
            "kubectl --kubeconfig {folder}/kubeconfigs/west-{who} exec -it -n {namespace} {pod_name} -- sh"
        )
    };
    let text = format!(
        "\nThe demo runs. First:\n\n  source {folder}/env\n\n\
         alice asked for session {name}, carol approved it. This works, as alice:\n\n  {works}\n\n\
         This is refused, as mallory, who is in alice's group but not in her session:\n\n  {refused}\n\n\
         Look next:\n\
         \x20 bgctl debug session get {name} -o yaml         the session, its pods, who may what\n\
         \x20 bgctl debug session terminate {name}           end it: an open shell dies within seconds\n\
         \x20 bgctl debug template list                                 what can be asked for; the files are in {folder}/templates\n\
         \x20 bgctl cluster list                                        the clusters and their agents\n\
         \x20 {folder}/log/hub.log                                      what the hub did\n\
         \x20 docs/ARCHITECTURE.md                                      how it works\n\n\
         make demo-down ends it and removes everything.\n",
        works = exec("alice"),
        refused = exec("mallory"),
    );
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()).context("standard output")
}

/// The folder as one would type it from the checkout.
fn shown(folder: &Path) -> String {
    let checkout = std::path::absolute(CHECKOUT).unwrap_or_default();
    let checkout = fs::canonicalize(&checkout).unwrap_or(checkout);
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    folder.strip_prefix(&checkout).map_or_else(
        |_| folder.display().to_string(),
        |short| short.display().to_string(),
    )
}
