//! Sessions on real clusters: only what a cluster alone can prove. One stack for all tests, one test after the other: some
//! of them kill the hub, an agent or an API server.
//!
//! `cargo test -p breakglass-e2e --test it -- PART_OF_A_NAME` runs some of them. With `BREAKGLASS_E2E_KEEP=1` the stack stays
//! up afterwards (state folder `target/e2e`), and the next run finds it.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test program: what it prints is its report"
)]

mod access;
mod audit;
mod bindings;
mod crash;
mod deny;
mod deploy;
mod end;
mod events;
mod foreign;
mod inventory;
mod link;
mod manifests;
mod namespaces;
mod placement;
mod profiles;
mod renewal;
mod story;
mod templates;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use breakglass_e2e::stack::artifacts::CHECKOUT;
use breakglass_e2e::stack::{Stack, StackRequest};
use breakglass_e2e::{OnFailure, Progress, Testbed};
use libtest_mimic::{Arguments, Failed, Trial};

/// One test: a name and what it does with the stack.
type Case = (&'static str, fn(&Stack) -> Result<()>);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let cases: Vec<Case> = [
        access::CASES,
        audit::CASES,
        bindings::CASES,
        deploy::CASES,
        end::CASES,
        events::CASES,
        renewal::CASES,
        foreign::CASES,
        manifests::CASES,
        namespaces::CASES,
        templates::CASES,
        templates::refused::CASES,
        templates::hostile::CASES,
        templates::authors::CASES,
        templates::crash::CASES,
        profiles::CASES,
        crash::CASES,
        deny::CASES,
        link::CASES,
        placement::CASES,
    ]
    .concat();
    if arguments.list {
        let trials = cases
            .into_iter()
            .map(|(name, _)| Trial::test(name, || Ok(())))
            .collect();
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    match run(arguments, cases) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("the stack for the tests: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: Arguments, cases: Vec<Case>) -> Result<ExitCode> {
    // They share two clusters, and some break what others stand on.
    arguments.test_threads = Some(1);
    let progress = Progress::start();
    let state = state_folder()?;
    let clusters = ["west=2", "east"]
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_>>()?;
    let request = StackRequest {
        state: state.clone(),
        slot: None,
        clusters,
        on_failure: OnFailure::Keep,
    };
    let stack = match Stack::up(&request, progress)
        .and_then(|stack| story::prepare(&stack).map(|()| stack))
    {
        Ok(stack) => Arc::new(stack),
        Err(error) => {
            dump(&state, progress);
            Stack::down(&state, progress).context("removing what was started")?;
            return Err(error);
        }
    };
    let trials = cases.into_iter().map(|(name, case)| {
        let stack = Arc::clone(&stack);
        Trial::test(name, move || {
            case(&stack).map_err(|error| Failed::from(format!("{error:#}")))
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if conclusion.has_failed() {
        dump(&state, progress);
    }
    if std::env::var_os("BREAKGLASS_E2E_KEEP").is_none() {
        Stack::down(&state, progress).context("removing the stack")?;
    }
    Ok(conclusion.exit_code())
}

/// Everything that helps to understand a failure, beside the build's own files.
fn dump(state: &Path, progress: Progress) {
    let to = state.with_extension("dump");
    let dumped = Testbed::attach(state).and_then(|testbed| testbed.dump(&to, progress));
    match dumped {
        Ok(()) => progress.say(format!("pods, events and logs are in {}", to.display())),
        Err(error) => progress.say(format!("could not dump the clusters' state: {error:#}")),
    }
}

fn state_folder() -> Result<PathBuf> {
    let checkout = std::fs::canonicalize(CHECKOUT).context("the checkout")?;
    Ok(checkout.join("target").join("e2e"))
}
