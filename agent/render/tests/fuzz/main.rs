//! The differential fuzzer: random templates and contexts, rendered by the engine and by Go; whatever differs is made
//! small, grouped and printed as a case for the corpus. `make fuzz-templates MINUTES=30`.
//!
//! The path of a case: a seed → [`case`] writes it ([`generate`], or [`mutate`] over the corpus) → the oracle and the
//! engine render it → [`verdict`] compares → [`shrink`] → [`report`].

// The report is this program's output; what it does not know of Go's answers it leaves out by name.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm
)]

mod contexts;
#[allow(dead_code, reason = "the test of the corpus asks more of a case")]
#[path = "../shared/corpus.rs"]
mod corpus_files;
mod dice;
#[path = "../shared/engine.rs"]
mod engine;
mod focus;
mod functions;
mod generate;
mod mutate;
mod oracle;
mod report;
mod shrink;
mod verdict;

use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::contexts::Alphabet;
use crate::corpus_files::Case;
use crate::dice::Dice;
use crate::functions::Function;
use crate::generate::Generator;
use crate::oracle::{Oracle, Question};
use crate::report::Report;
use crate::verdict::{Rendering, Verdict, judge, render};

/// Requests under way at once: enough to keep both sides busy, little enough to hold.
const BATCH: usize = 256;

struct Options {
    oracle: String,
    time: Duration,
    seed: u64,
    /// Only this many cases.
    cases: u64,
    /// Differences after which it stops.
    enough: usize,
    /// Writes this one case of `seed` and nothing else.
    show: Option<u64>,
}

fn options() -> anyhow::Result<Options> {
    let mut options = Options {
        oracle: String::new(),
        time: Duration::from_secs(60),
        seed: 1,
        cases: u64::MAX,
        enough: 200,
        show: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words
            .next()
            .with_context(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--oracle" => options.oracle = value,
            "--minutes" => options.time = Duration::from_secs_f64(value.parse::<f64>()? * 60.0),
            "--seed" => options.seed = value.parse()?,
            "--cases" => options.cases = value.parse()?,
            "--show" => options.show = Some(value.parse()?),
            "--enough" => options.enough = value.parse()?,
            _ => anyhow::bail!(
                "usage: fuzz --oracle PROGRAM [--minutes N] [--seed N] [--cases N] [--enough N] [--show SEED]"
            ),
        }
    }
    anyhow::ensure!(
        !options.oracle.is_empty(),
        "--oracle PROGRAM is missing; `make fuzz-templates` builds it"
    );
    Ok(options)
}

/// The case of a seed.
fn case(seed: u64, functions: &[Function], corpus: &[Case]) -> Question {
    let mut dice = Dice::new(seed);
    if dice.percent(20)
        && let (Some(one), Some(other)) = (
            corpus.get(dice.below(corpus.len())),
            corpus.get(dice.below(corpus.len())),
        )
    {
        return Question {
            template: mutate::mutate(&mut dice, &one.template, &other.template),
            context: one.context.clone(),
        };
    }
    if dice.percent(40) {
        return focus::question(&mut dice);
    }
    let alphabet = if dice.percent(70) {
        Alphabet::Ascii
    } else {
        Alphabet::Unicode
    };
    let context = contexts::context(&mut dice, alphabet);
    let template = Generator::new(functions, dice, alphabet).template();
    Question { template, context }
}

/// Whether Go itself gives now this and now that: it sorts some keys by an order that is none, from a random start.
fn varies(oracle: &mut Oracle, question: &Question, rendering: &Rendering) -> anyhow::Result<bool> {
    /// As many are enough to see one of a few orders.
    const TRIES: usize = 64;
    let again = vec![question.clone(); TRIES];
    let answers = oracle.judge(&again)?;
    Ok(answers
        .iter()
        .any(|answer| !matches!(judge(question, answer, rendering), Verdict::Wrong(_))))
}

fn main() -> anyhow::Result<()> {
    let options = options()?;
    // A panic of the engine is a finding; its words would drown the report.
    std::panic::set_hook(Box::new(|_| {}));
    let mut oracle = Oracle::start(&options.oracle)?;
    let functions = functions::read(&oracle.signatures()?);
    let corpus = corpus_files::cases()?;
    if let Some(seed) = options.show {
        println!(
            "{}",
            serde_json::to_string(&case(seed, &functions, &corpus))?
        );
        return Ok(());
    }
    let mut report = Report::default();
    let since = Instant::now();
    let mut seed = options.seed;
    let last = options.seed.saturating_add(options.cases);
    while since.elapsed() < options.time && seed < last && report.found() < options.enough {
        let seeds: Vec<u64> = (seed..last).take(BATCH).collect();
        seed = seed.saturating_add(seeds.len() as u64);
        let questions: Vec<Question> = seeds
            .iter()
            .map(|seed| case(*seed, &functions, &corpus))
            .collect();
        oracle.ask(&questions)?;
        let renderings: Vec<_> = questions.iter().map(render).collect();
        let answers = oracle.answers(&questions)?;
        for (((seed, question), answer), rendering) in
            seeds.iter().zip(&questions).zip(&answers).zip(&renderings)
        {
            report.count(*seed, question, answer, rendering);
            if let Verdict::Wrong(wrong) = judge(question, answer, rendering) {
                if varies(&mut oracle, question, rendering)? {
                    report.vary();
                    continue;
                }
                let small = shrink::shrink(&mut oracle, question.clone(), wrong)?;
                let answer = oracle
                    .judge(std::slice::from_ref(&small))?
                    .into_iter()
                    .next()
                    .context("no answer")?;
                // An order that is none at all may have come out otherwise by now.
                if matches!(judge(&small, &answer, &render(&small)), Verdict::Wrong(_)) {
                    report.add(*seed, wrong, small, answer, &functions);
                } else {
                    report.vary();
                }
            }
        }
    }
    report.print(since.elapsed());
    anyhow::ensure!(report.found() == 0, "engine and Go differ");
    Ok(())
}
