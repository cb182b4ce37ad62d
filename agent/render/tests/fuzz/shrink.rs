//! Makes a case smaller for as long as it still goes wrong in the same way.

use serde_json::Value as Json;

use crate::oracle::{Oracle, Question};
use crate::verdict::{Verdict, Wrong, judge, render};

/// More tries than this on one case are not worth its while.
const ROUNDS: usize = 60;

pub(crate) fn shrink(
    oracle: &mut Oracle,
    mut question: Question,
    wrong: Wrong,
) -> anyhow::Result<Question> {
    for _ in 0..ROUNDS {
        let candidates = smaller(&question);
        let answers = oracle.judge(&candidates)?;
        let found = candidates
            .into_iter()
            .zip(answers)
            .find(|(candidate, answer)| {
                let verdict = judge(candidate, answer, &render(candidate));
                matches!(verdict, Verdict::Wrong(still) if still == wrong)
            });
        match found {
            Some((candidate, _)) => question = candidate,
            None => break,
        }
    }
    Ok(question)
}

/// Shorter ones, the boldest cuts first.
fn smaller(question: &Question) -> Vec<Question> {
    let pieces = pieces(&question.template);
    let mut all = Vec::new();
    let mut size = pieces.len() / 2;
    while size > 0 {
        for start in (0..pieces.len()).step_by(size.div_ceil(2)) {
            let end = (start + size).min(pieces.len());
            let rest = pieces.iter().take(start).chain(pieces.iter().skip(end));
            all.push(Question {
                template: rest.copied().collect(),
                context: question.context.clone(),
            });
        }
        size /= 2;
    }
    if let Json::Object(fields) = &question.context {
        for name in fields.keys() {
            let mut context = question.context.clone();
            if let Some(fields) = context.as_object_mut() {
                fields.remove(name);
            }
            all.push(Question {
                template: question.template.clone(),
                context,
            });
        }
    }
    all
}

/// Words, runs of spaces, and every other character by itself.
fn pieces(text: &str) -> Vec<&str> {
    let class = |char: char| match char {
        _ if char.is_alphanumeric() || char == '_' => 1,
        ' ' | '\n' | '\t' => 2,
        _ => 0,
    };
    let mut pieces = Vec::new();
    let (mut start, mut last) = (0, 0);
    for (place, char) in text.char_indices() {
        let now = class(char);
        if place > start && (now != last || now == 0) {
            pieces.extend(text.get(start..place));
            start = place;
        }
        last = now;
    }
    pieces.extend(text.get(start..).filter(|rest| !rest.is_empty()));
    pieces
}
