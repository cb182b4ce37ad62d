//! The real hub as a process, in a folder that goes away with it.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// People who ask for sessions.
pub(crate) const PEOPLE: usize = 200;
pub(crate) const TEMPLATES: usize = 40;
pub(crate) const CLUSTERS: usize = 20;
const MIB: usize = 1024;
/// The unit of `/proc/PID/stat` on every Linux that people run.
const TICKS_PER_SECOND: u32 = 100;

pub(crate) struct Hub {
    folder: TempDir,
    child: Child,
    pub(crate) address: SocketAddr,
    /// From its start to its being ready.
    pub(crate) started_in: Duration,
}

impl Hub {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("templates")).unwrap();
        std::fs::write(folder.path().join("templates/all.yaml"), templates()).unwrap();
        std::fs::write(folder.path().join("users.yaml"), users()).unwrap();
        let (child, address, started_in) = launch(folder.path());
        Self {
            folder,
            child,
            address,
            started_in,
        }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn stop(&mut self) {
        let asked = Command::new("kill")
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(asked.success());
        assert!(self.child.wait().unwrap().success());
    }

    pub(crate) fn start_again(&mut self) {
        (self.child, self.address, self.started_in) = launch(self.folder.path());
    }

    pub(crate) fn resident_mib(&self) -> usize {
        self.memory("VmRSS:")
    }

    pub(crate) fn most_resident_mib(&self) -> usize {
        self.memory("VmHWM:")
    }

    /// Processor time that it took so far.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // After the name, which ends with the last bracket, the 12th and 13th field: user and system time.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks: u64 = fields
            .split(' ')
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().unwrap())
            .sum();
        Duration::from_secs(ticks) / TICKS_PER_SECOND
    }

    fn memory(&self, name: &str) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        let kib: usize = line.trim().trim_end_matches("kB").trim().parse().unwrap();
        kib / MIB
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn launch(folder: &Path) -> (Child, SocketAddr, Duration) {
    let since = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_breakglass-hub"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--agent-listen",
            "127.0.0.1:0",
        ])
        .args(["--admin-group", "admins", "--public-address", "127.0.0.1"])
        // One person of the load stands for many.
        .args([
            "--requests-per-second",
            "1000000",
            "--requests-burst",
            "1000000",
        ])
        .arg("--state")
        .arg(folder.join("state"))
        .arg("--templates")
        .arg(folder.join("templates"))
        .arg("--dev-users")
        .arg(folder.join("users.yaml"))
        .env("RUST_LOG", "warn,breakglass_hub::serve=info")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = lines.by_ref().map(Result::unwrap).find_map(|line| {
        let address = line
            .split_once(" ready users=")
            .map(|(_, rest)| rest.split(' ').next().unwrap_or_default().parse().unwrap());
        if address.is_none() {
            eprintln!("{line}");
        }
        address
    });
    std::thread::spawn(move || lines.count());
    (child, address.expect("the hub ended"), since.elapsed())
}

pub(crate) fn token(person: usize) -> String {
    format!("person-{person:04}-token-0123456789")
}

/// The token of the only admin.
pub(crate) const ADMIN: &str = "admin-token-0123456789";

pub(crate) fn cluster(number: usize) -> String {
    format!("cluster-{number:02}")
}

pub(crate) fn template(number: usize) -> String {
    format!("template-{number:02}")
}

fn users() -> String {
    let mut text =
        format!("users:\n- {{name: admin@example.com, groups: [admins], token: {ADMIN}}}\n");
    for person in 0..PEOPLE {
        let (name, token) = (name(person), token(person));
        writeln!(
            text,
            "- {{name: {name}, email: {name}, displayName: Person {person}, groups: [sre-team, team-{}], token: {token}}}",
            person % 10
        )
        .unwrap();
    }
    text
}

pub(crate) fn name(person: usize) -> String {
    format!("person-{person:04}@example.com")
}

fn templates() -> String {
    let mut text = "apiVersion: breakglass.t-caas.telekom.com/v1alpha1\nkind: DebugPodTemplate\nmetadata: {name: toolbox}\n\
        spec:\n  template:\n    spec:\n      containers:\n        - {name: debug, image: \"busybox:latest\", command: [sleep, infinity]}\n"
        .to_owned();
    for number in 0..TEMPLATES {
        let name = template(number);
        write!(
            text,
            "---\napiVersion: breakglass.t-caas.telekom.com/v1alpha1\nkind: DebugSessionTemplate\nmetadata: {{name: {name}}}\n\
             spec:\n  displayName: Debugging {number}\n  podTemplateRef: {{name: toolbox}}\n  targetNamespace: breakglass-debug\n  \
             allowed: {{groups: [sre-team], clusters: [\"cluster-*\"]}}\n  \
             constraints: {{maxDuration: 4h, defaultDuration: 1h, maxConcurrentSessions: 2000}}\n"
        )
        .unwrap();
    }
    text
}
