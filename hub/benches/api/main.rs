//! How fast the API is with many stored sessions: `make bench-api`, or `cargo bench -p breakglass-hub --bench api -- --help`.
//!
//! Starts the real hub in a folder of its own, fills its store, and sends requests at a fixed pace over TLS on loopback.
//! The pace does not wait for answers (open loop), and a latency counts from when its request was *meant* to be sent:
//! a hub that stands still for a second shows in every request of that second. Hub and load share this machine.

// What the lints let test functions do, a measuring tool may do too: a panic is its report.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod hub;
mod load;
mod seed;

use std::time::Duration;

use clap::Parser;

use crate::hub::Hub;
use crate::load::{Phase, Report};

/// Measures the hub's API under load.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Sessions in the store before the load starts.
    #[arg(long, default_value_t = 100_000)]
    sessions: usize,
    /// Of these, so many are Active; the others have ended.
    #[arg(long, default_value_t = 1_000)]
    active: usize,
    /// Requests per second.
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Seconds of each phase.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// TLS connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Creates among 100 requests of the mixed phase.
    #[arg(long, default_value_t = 10)]
    creates: u32,
    /// Cargo passes this.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let args = Args::parse();
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run(&args));
}

async fn run(args: &Args) {
    let mut hub = Hub::start();
    seed::fill(&mut hub, args.sessions, args.active).await;
    println!(
        "{} stored sessions, {} of them Active: ready in {:.1} s, {} MiB resident",
        args.sessions,
        args.active,
        hub.started_in.as_secs_f64(),
        hub.resident_mib()
    );
    println!(
        "phase      requests/s  kind     answers   p50 ms   p99 ms  p99.9 ms   max ms  not 2xx"
    );
    let mixed = Phase::Mixed {
        creates: args.creates,
    };
    // Creates last: they leave some ten thousand Active sessions, more than an organisation has.
    for phase in [Phase::Pages, mixed, Phase::Creates] {
        let duration = Duration::from_secs(args.seconds);
        let before = hub.processor_time();
        let reports = load::run(&hub, phase, args.rate, duration, args.connections).await;
        for report in &reports {
            print(phase, args.rate, report);
        }
        let took = hub.processor_time().saturating_sub(before);
        let requests: u64 = reports.iter().map(|report| report.latencies.len()).sum();
        println!(
            "           {} MiB resident, {} MiB at most; {:.2} ms of processor time a request",
            hub.resident_mib(),
            hub.most_resident_mib(),
            took.as_secs_f64() * 1e3 / requests as f64
        );
    }
}

fn print(phase: Phase, rate: u32, report: &Report) {
    let ms = |quantile: f64| {
        let micros = report.latencies.value_at_quantile(quantile);
        Duration::from_micros(micros).as_secs_f64() * 1e3
    };
    println!(
        "{:10} {rate:>10}  {:7} {:>8} {:>8.2} {:>8.2} {:>9.2} {:>8.2} {:>8}",
        phase.name(),
        report.kind.name(),
        report.latencies.len(),
        ms(0.5),
        ms(0.99),
        ms(0.999),
        ms(1.0),
        report.failures
    );
    for (status, count) in &report.statuses {
        println!("           {count} answers {status}");
    }
}
