//! Programs that outlive the one who starts them: each is recorded, so that it is ended by its record and never by name.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid,
};
use serde::{Deserialize, Serialize};

/// Every program that belongs to a testbed carries this variable with the state folder's path. A program that was
/// started but not recorded (the starter was killed in between) is found by it; see `sweep.rs`.
pub(crate) const MARK: &str = "BREAKGLASS_TESTBED";

/// How to start a program: enough to start it again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Launch {
    /// Names its record and its log, e.g. `west.kube-apiserver`.
    pub name: String,
    pub argv: Vec<String>,
    pub place: Place,
    pub log: PathBuf,
}

/// Where a program runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Place {
    Host,
    /// In a network namespace, with mounts of its own.
    NewMachine {
        netns: PathBuf,
    },
    /// In that namespace and in the mounts of the program that has this name.
    Machine {
        netns: PathBuf,
        machine: String,
    },
}

/// A program that was started, with what tells it from a later one with the same number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recorded {
    launch: Launch,
    pid: i32,
    /// Clock ticks since boot, from /proc.
    start: u64,
    boot: String,
}

impl Recorded {
    pub fn name(&self) -> &str {
        &self.launch.name
    }

    pub fn log(&self) -> &Path {
        &self.launch.log
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    pub fn is_alive(&self) -> bool {
        boot_id().is_ok_and(|boot| boot == self.boot) && start_of(self.pid) == Some(self.start)
    }

    /// Sends a signal; nothing happens when the program is gone, also when its number has a new owner.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        // The handle first, the question whose it is second: from here on the number cannot change its owner.
        let Some(handle) =
            Pid::from_raw(self.pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
        else {
            return Ok(());
        };
        if self.is_alive() {
            pidfd_send_signal(&handle, signal)
                .with_context(|| format!("signal for {} ({})", self.name(), self.pid))?;
        }
        Ok(())
    }

    /// Ends it with SIGKILL and waits until it is gone.
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)?;
        await_end(self.pid, Duration::from_secs(10))
            .with_context(|| format!("{} does not end", self.name()))
    }
}

/// The records under `DIR/run`.
#[derive(Clone, Debug)]
pub(crate) struct Processes {
    state: PathBuf,
}

impl Processes {
    pub(crate) fn of(state: &Path) -> Processes {
        Processes {
            state: state.to_owned(),
        }
    }

    fn record_path(&self, name: &str) -> PathBuf {
        self.state.join("run").join(format!("{name}.json"))
    }

    /// Starts a program in a session of its own, its output appended to its log, and records it.
    pub(crate) fn start(&self, launch: Launch) -> Result<Recorded> {
        for folder in [Some(self.state.join("run").as_path()), launch.log.parent()]
            .into_iter()
            .flatten()
        {
            fs::create_dir_all(folder).with_context(|| format!("folder {}", folder.display()))?;
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&launch.log)
            .with_context(|| format!("log {}", launch.log.display()))?;
        let argv = self.argv(&launch)?;
        let mut command = Command::new("setsid");
        command.args(&argv).env(MARK, &self.state).current_dir("/");
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = command
            .spawn()
            .with_context(|| format!("could not start {}", launch.name))?;
        let pid = i32::try_from(child.id()).context("a process id beyond i32")?;
        let Some(start) = start_of(pid) else {
            bail!(
                "{} ended at once; its log:\n{}",
                launch.name,
                crate::wait::tail(&launch.log)
            );
        };
        let recorded = Recorded {
            launch,
            pid,
            start,
            boot: boot_id()?,
        };
        self.record(&recorded)?;
        Ok(recorded)
    }

    fn argv(&self, launch: &Launch) -> Result<Vec<String>> {
        let mut argv: Vec<String> = match &launch.place {
            Place::Host => vec![],
            Place::NewMachine { netns } => {
                let net = format!("--net={}", netns.display());
                [
                    "nsenter",
                    &net,
                    "unshare",
                    "--mount",
                    "--propagation",
                    "private",
                ]
                .map(String::from)
                .to_vec()
            }
            Place::Machine { netns, machine } => {
                let machine = self.find(machine)?.filter(Recorded::is_alive);
                let machine = machine
                    .with_context(|| format!("{} needs its machine, which is gone", launch.name))?;
                let mounts = format!("--mount=/proc/{}/ns/mnt", machine.pid);
                vec![
                    "nsenter".into(),
                    format!("--net={}", netns.display()),
                    mounts,
                ]
            }
        };
        argv.extend_from_slice(&launch.argv);
        Ok(argv)
    }

    fn record(&self, recorded: &Recorded) -> Result<()> {
        let path = self.record_path(recorded.name());
        write_whole(&path, &serde_json::to_vec_pretty(recorded)?)?;
        write_whole(
            &path.with_extension("pid"),
            format!("{}\n", recorded.pid).as_bytes(),
        )
    }

    pub(crate) fn find(&self, name: &str) -> Result<Option<Recorded>> {
        let path = self.record_path(name);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .with_context(|| format!("unreadable record {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("record {}", path.display())),
        }
    }

    /// Every record, by name. One that cannot be read (a machine that lost power) is left out: `sweep` finds its program.
    pub(crate) fn all(&self) -> Vec<Recorded> {
        let entries = fs::read_dir(self.state.join("run"))
            .into_iter()
            .flatten()
            .flatten();
        let records = entries.filter(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "json")
        });
        let mut all: Vec<Recorded> = records
            .filter_map(|entry| serde_json::from_slice(&fs::read(entry.path()).ok()?).ok())
            .collect();
        all.sort_by(|a, b| a.name().cmp(b.name()));
        all
    }

    /// Kills a program if it lives and starts it again exactly as before.
    pub(crate) fn restart(&self, name: &str) -> Result<Recorded> {
        let Some(recorded) = self.find(name)? else {
            let known: Vec<String> = self
                .all()
                .into_iter()
                .map(|known| known.launch.name)
                .collect();
            bail!("no program {name:?} here; there are: {}", known.join(", "));
        };
        recorded.kill()?;
        self.start(recorded.launch)
    }
}

/// Waits until a process is gone, by its handle rather than by the clock.
pub(crate) fn await_end(pid: i32, limit: Duration) -> Result<()> {
    let Some(pid) = Pid::from_raw(pid) else {
        return Ok(());
    };
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
        return Ok(());
    };
    let limit = Timespec {
        tv_sec: limit.as_secs().try_into()?,
        tv_nsec: 0,
    };
    let mut watched = [PollFd::new(&handle, PollFlags::IN)];
    if poll(&mut watched, Some(&limit)).context("waiting for a process's end")? == 0 {
        bail!("process {} is still there", pid.as_raw_pid());
    }
    // Ours to reap only when this very process had started it.
    waitpid(Some(pid), WaitOptions::NOHANG).ok();
    Ok(())
}

/// When this process started (ticks since boot); nothing when it is gone or waits only to be reaped.
pub(crate) fn start_of(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets and may hold anything, also blanks and brackets.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    let start = fields.nth(18)?.parse().ok()?;
    (state != "Z" && state != "X").then_some(start)
}

fn boot_id() -> Result<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").context("this boot's id")?;
    Ok(id.trim().to_owned())
}

/// Writes a file so that a reader sees the old text or the new one, never half of either.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let write = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        std::io::Write::write_all(&mut File::create(&part)?, bytes)?;
        fs::rename(&part, path)
    };
    write().with_context(|| format!("could not write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_with_another_start_is_another_process() {
        let own = i32::try_from(std::process::id()).unwrap();
        let launch = Launch {
            name: "own".into(),
            argv: vec![],
            place: Place::Host,
            log: PathBuf::new(),
        };
        let mut recorded = Recorded {
            launch,
            pid: own,
            start: start_of(own).unwrap(),
            boot: boot_id().unwrap(),
        };
        assert!(recorded.is_alive());
        recorded.start += 1;
        assert!(!recorded.is_alive());
        // Would end this very test if it looked at the number alone.
        recorded.kill_unless_other();
    }

    impl Recorded {
        fn kill_unless_other(&self) {
            self.signal(Signal::KILL).unwrap();
        }
    }
}
