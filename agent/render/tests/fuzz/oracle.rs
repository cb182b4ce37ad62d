//! The oracle's process: requests go in from a thread of their own, so that neither side waits for the other's pipe.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The status of an oracle that gave up on a question and said so.
const EXIT_ANSWERED: i32 = 3;

#[derive(Clone, Serialize)]
pub(crate) struct Question {
    pub(crate) template: String,
    pub(crate) context: Json,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Answer {
    pub(crate) output: Option<String>,
    #[serde(default)]
    pub(crate) error: String,
    /// The oracle's own limits: says nothing about the template.
    #[serde(default)]
    pub(crate) limit: bool,
}

pub(crate) struct Oracle {
    program: String,
    running: Running,
}

struct Running {
    child: Child,
    send: mpsc::Sender<Vec<u8>>,
    answers: BufReader<ChildStdout>,
}

impl Running {
    fn start(program: &str) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .arg("render")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A stack that overflows is told there, at length.
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("the oracle {program} does not start"))?;
        let stdin = child.stdin.take().context("the oracle has no stdin")?;
        let stdout = child.stdout.take().context("the oracle has no stdout")?;
        let (send, receive) = mpsc::channel();
        thread::spawn(move || feed(stdin, &receive));
        Ok(Self {
            child,
            send,
            answers: BufReader::with_capacity(1 << 20, stdout),
        })
    }
}

/// Ends when the oracle does: whoever reads its answers notices.
fn feed(mut stdin: ChildStdin, receive: &mpsc::Receiver<Vec<u8>>) {
    for bytes in receive {
        if stdin
            .write_all(&bytes)
            .and_then(|()| stdin.flush())
            .is_err()
        {
            return;
        }
    }
}

impl Oracle {
    pub(crate) fn start(program: &str) -> anyhow::Result<Self> {
        Ok(Self {
            program: program.to_owned(),
            running: Running::start(program)?,
        })
    }

    /// `NAME SIGNATURE` lines of its function map.
    pub(crate) fn signatures(&self) -> anyhow::Result<String> {
        let output = Command::new(&self.program).arg("functions").output()?;
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Sends; [`Oracle::answers`] must follow with the same questions.
    pub(crate) fn ask(&mut self, questions: &[Question]) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        for question in questions {
            serde_json::to_writer(&mut bytes, question)?;
            bytes.push(b'\n');
        }
        // A process that has ended is seen where its answers are read.
        self.running.send.send(bytes).ok();
        Ok(())
    }

    /// The answers in the questions' order. An oracle that gave up on one is started again for the rest.
    pub(crate) fn answers(&mut self, questions: &[Question]) -> anyhow::Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(questions.len());
        let mut line = String::new();
        while answers.len() < questions.len() {
            line.clear();
            if self.running.answers.read_line(&mut line)? > 0 {
                answers.push(serde_json::from_str(&line)?);
                continue;
            }
            let status = self.running.child.wait()?;
            if status.code() != Some(EXIT_ANSWERED) {
                answers.push(Answer {
                    output: None,
                    error: format!("the oracle dies of it: {status}"),
                    limit: true,
                });
            }
            self.running = Running::start(&self.program)?;
            self.ask(questions.get(answers.len()..).unwrap_or_default())?;
        }
        Ok(answers)
    }

    pub(crate) fn judge(&mut self, questions: &[Question]) -> anyhow::Result<Vec<Answer>> {
        self.ask(questions)?;
        self.answers(questions)
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.running.child.kill().ok();
        self.running.child.wait().ok();
    }
}
