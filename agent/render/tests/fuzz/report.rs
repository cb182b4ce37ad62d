//! What was found, grouped by how it went wrong and by the functions that are left in the shrunk template.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::functions::Function;
use crate::oracle::{Answer, Question};
use crate::verdict::{Rendering, Verdict, Wrong, judge, render};

/// A rendering that takes longer than this in a program built for speed is a runaway (spec 2: under 50 ms).
const SLOW: Duration = Duration::from_millis(50);
/// As many slow ones are told: on a busy machine nearly all are.
const MOST_SLOW: usize = 20;

struct Finding {
    seed: u64,
    small: Question,
    answer: Answer,
}

#[derive(Default)]
pub(crate) struct Report {
    total: u64,
    rendered: u64,
    skipped: u64,
    slow: Vec<(u64, Duration)>,
    groups: BTreeMap<(Wrong, String), Vec<Finding>>,
}

impl Report {
    pub(crate) fn found(&self) -> usize {
        self.groups.values().map(Vec::len).sum()
    }

    pub(crate) fn count(
        &mut self,
        seed: u64,
        question: &Question,
        answer: &Answer,
        rendering: &Rendering,
    ) {
        self.total += 1;
        self.rendered += u64::from(answer.output.is_some());
        if rendering.took > SLOW && self.slow.len() < MOST_SLOW && !cfg!(debug_assertions) {
            self.slow.push((seed, rendering.took));
        }
        if matches!(judge(question, answer, rendering), Verdict::Skip) {
            self.skipped += 1;
        }
    }

    /// Go gave another answer when it was asked again.
    pub(crate) fn vary(&mut self) {
        self.skipped += 1;
    }

    pub(crate) fn add(
        &mut self,
        seed: u64,
        wrong: Wrong,
        small: Question,
        answer: Answer,
        functions: &[Function],
    ) {
        let words: Vec<&str> = small
            .template
            .split(|char: char| !char.is_alphanumeric() && char != '_')
            .collect();
        let mut names: Vec<&str> = functions
            .iter()
            .map(|function| function.name.as_str())
            .filter(|name| words.contains(name))
            .collect();
        names.sort_unstable();
        self.groups
            .entry((wrong, names.join(" ")))
            .or_default()
            .push(Finding {
                seed,
                small,
                answer,
            });
    }

    pub(crate) fn print(&self, took: Duration) {
        for ((wrong, names), findings) in &self.groups {
            println!("== {wrong:?} [{names}] {} times", findings.len());
            let mut shortest: Vec<&Finding> = findings.iter().collect();
            shortest.sort_by_key(|finding| finding.small.template.len());
            for finding in shortest.iter().take(3) {
                print_one(finding);
            }
        }
        for (seed, took) in &self.slow {
            println!("slow: seed {seed} took {took:?}");
        }
        let rate = self.total as f64 / took.as_secs_f64();
        println!(
            "{} comparisons in {:.0} s ({rate:.0}/s): {} rendered by Go, {} say nothing (limits, undefined), {} differ",
            self.total,
            took.as_secs_f64(),
            self.rendered,
            self.skipped,
            self.found()
        );
    }
}

fn print_one(finding: &Finding) {
    let Finding {
        seed,
        small,
        answer,
    } = finding;
    let go = answer.output.as_ref().map_or_else(
        || format!("error: {}", answer.error),
        |output| format!("{output:?}"),
    );
    let ours = match render(small).result {
        None => "panic".to_owned(),
        Some(Ok(output)) => format!("{output:?}"),
        Some(Err(error)) => format!("error: {error}"),
    };
    println!(
        "seed {seed}\n  template {:?}\n  context  {}\n  go       {go}\n  ours     {ours}",
        small.template, small.context
    );
}
