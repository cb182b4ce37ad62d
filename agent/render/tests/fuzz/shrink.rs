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
    let mut all: Vec<Question> = without_parts(&question.template)
        .into_iter()
        .map(|template| Question {
            template,
            context: question.context.clone(),
        })
        .collect();
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
        for (name, value) in fields {
            let shorter = value.as_str().map(without_parts).unwrap_or_default();
            for text in shorter {
                let mut context = question.context.clone();
                if let Some(fields) = context.as_object_mut() {
                    fields.insert(name.clone(), Json::String(text));
                }
                all.push(Question {
                    template: question.template.clone(),
                    context,
                });
            }
        }
    }
    all
}

/// The text with one part left out, large parts first.
fn without_parts(text: &str) -> Vec<String> {
    let pieces = pieces(text);
    let mut all = Vec::new();
    let mut size = pieces.len().div_ceil(2);
    while size > 0 {
        for start in (0..pieces.len()).step_by(size.div_ceil(2)) {
            let end = (start + size).min(pieces.len());
            let rest = pieces.iter().take(start).chain(pieces.iter().skip(end));
            all.push(rest.copied().collect());
        }
        size /= 2;
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
