use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use serde::Deserialize;

use crate::corpus_files::{Case, cases, dir, family_files, stem};
use crate::engine;

/// What Go made of a case; `make gen` writes it.
#[derive(Deserialize)]
struct Expected {
    case: String,
    output: Option<String>,
}

/// By `FAMILY/GROUP/NUMBER`; `None` is an error.
fn expected() -> BTreeMap<String, Option<String>> {
    let mut all = BTreeMap::new();
    for file in family_files().unwrap() {
        let family = stem(&file);
        let path = dir().join("expected").join(format!("{family}.jsonl"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!("{}: {error}; `make gen` writes it", path.display());
        });
        for line in text.lines() {
            let read: Expected = serde_json::from_str(line).unwrap();
            all.insert(format!("{family}/{}", read.case), read.output);
        }
    }
    all
}

/// How the engine differs from Go; `None` if it does not.
fn difference(case: &Case, want: Option<&Option<String>>) -> Option<String> {
    let Some(want) = want else {
        return Some("Go's answer is not known: run `make gen`".to_owned());
    };
    let got = engine::render(&case.template, &case.context);
    if case.refused.is_some() {
        return got
            .ok()
            .map(|got| format!("is to be refused\n  got  {got:?}"));
    }
    match (want, got) {
        (None, Err(_)) => None,
        (Some(want), Ok(got)) if *want == got => None,
        (Some(want), Ok(got)) => Some(format!("want {want:?}\n  got  {got:?}")),
        (Some(want), Err(error)) => Some(format!("want {want:?}\n  got  error: {error}")),
        (None, Ok(got)) => Some(format!("want an error\n  got  {got:?}")),
    }
}

#[test]
fn every_case_renders_as_in_go() {
    let expected = expected();
    let cases = cases().unwrap();
    let (mut report, mut failures) = (String::new(), 0_usize);
    for case in &cases {
        if let Some(difference) = difference(case, expected.get(&case.name)) {
            failures += 1;
            writeln!(report, "{}: {:?}\n  {difference}", case.name, case.template).unwrap();
        }
    }
    assert!(cases.len() >= 600, "only {} cases are read", cases.len());
    assert_eq!(
        failures,
        0,
        "of {} cases differ from Go:\n{report}",
        cases.len()
    );
}
