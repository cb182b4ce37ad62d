//! Renders per second of a pod template of 40 lines and 20 calls, parsed once and parsed each time. `make bench-templates`
//! gives the oracle's figures for the same files in `GO_RENDERS` and gets one table.

// A bench that cannot read its files fails loudly; the table is its output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::Criterion;

#[path = "../tests/shared/engine.rs"]
mod engine;

/// The names are those that the oracle prints.
const ONCE: &str = "parsed-once";
const EACH_TIME: &str = "parsed-each-time";

fn main() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/bench");
    let text = fs::read_to_string(dir.join("pod.tpl")).unwrap();
    let context: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(dir.join("context.json")).unwrap()).unwrap();
    let once = engine::Once::parse(&text, &context).expect("the template is right");
    let mut criterion = Criterion::default()
        .configure_from_args()
        .measurement_time(Duration::from_secs(5));
    let rates = [
        (ONCE, rate(&mut criterion, ONCE, || once.render())),
        (
            EACH_TIME,
            rate(&mut criterion, EACH_TIME, || {
                engine::render(&text, &context)
            }),
        ),
    ];
    criterion.final_summary();
    if let Ok(go) = std::env::var("GO_RENDERS") {
        print_table(&rates, &go);
    }
}

/// Renders per second in the best sample, as the oracle counts.
fn rate(criterion: &mut Criterion, name: &str, work: impl Fn() -> Result<String, String>) -> f64 {
    let best = Cell::new(0.0_f64);
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|rounds| {
            let since = Instant::now();
            for _ in 0..rounds {
                std::hint::black_box(work()).expect("the template is right");
            }
            let took = since.elapsed();
            if rounds > 10 {
                best.set(best.get().max(rounds as f64 / took.as_secs_f64()));
            }
            took
        });
    });
    best.get()
}

fn print_table(rates: &[(&str, f64)], go: &str) {
    println!(
        "\n{:18} {:>12} {:>12} {:>7}",
        "renders/s", "Rust", "Go", "ratio"
    );
    for (name, ours) in rates {
        let theirs = go
            .lines()
            .filter_map(|line| line.split_once(' '))
            .find(|(what, _)| what == name)
            .and_then(|(_, number)| number.parse::<f64>().ok());
        match theirs {
            Some(theirs) => println!("{name:18} {ours:12.0} {theirs:12.0} {:7.2}", ours / theirs),
            None => println!("{name:18} {ours:12.0} {:>12} {:>7}", "-", "-"),
        }
    }
}
