//! Whether engine and oracle agree on a case.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::engine;
use crate::generate::BYTE_CUTTERS;
use crate::oracle::{Answer, Question};

/// How the engine went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wrong {
    Panics,
    Differs,
    FailsWhereGoRenders,
    RendersWhereGoFails,
}

pub(crate) enum Verdict {
    Agree,
    /// Nothing can be said: a limit, or something that Go does not define.
    Skip,
    Wrong(Wrong),
}

pub(crate) struct Rendering {
    /// `None` if it panicked.
    pub(crate) result: Option<Result<String, String>>,
    pub(crate) took: Duration,
}

pub(crate) fn render(question: &Question) -> Rendering {
    let since = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| {
        engine::render(&question.template, &question.context)
    }));
    Rendering {
        result: result.ok(),
        took: since.elapsed(),
    }
}

pub(crate) fn judge(question: &Question, answer: &Answer, rendering: &Rendering) -> Verdict {
    let wrong = match (&answer.output, &rendering.result) {
        (_, None) => return Verdict::Wrong(Wrong::Panics),
        (None, Some(Err(_))) => return Verdict::Agree,
        (Some(want), Some(Ok(got))) if want == got => return Verdict::Agree,
        (Some(_), Some(Ok(_))) => Wrong::Differs,
        (Some(_), Some(Err(error))) if is_limit(error) || is_refused(error) => {
            return Verdict::Skip;
        }
        (Some(_), Some(Err(_))) => Wrong::FailsWhereGoRenders,
        (None, Some(Ok(_))) => Wrong::RendersWhereGoFails,
    };
    if answer.limit || is_undefined(question, answer, rendering) {
        return Verdict::Skip;
    }
    Verdict::Wrong(wrong)
}

/// The engine's bounds are tighter than Go's, on purpose.
fn is_limit(error: &str) -> bool {
    [
        "takes more than",
        "makes more than",
        "nested more than",
        "larger than",
        "is longer than",
    ]
    .iter()
    .any(|words| error.contains(words))
}

/// What the engine refuses on purpose; the corpus has these as `refused`.
fn is_refused(error: &str) -> bool {
    [
        "is a complex number",
        "before the year -9999",
        "an address of memory",
        "beyond the last integer",
    ]
        .iter()
        .any(|words| error.contains(words))
        // `a(?i)*`: a repetition of what stands before the flags.
        || (error.contains("has nothing to repeat") && error.contains("(?"))
}

/// What need not be the same: see README.md.
fn is_undefined(question: &Question, answer: &Answer, rendering: &Rendering) -> bool {
    let template = question.template.as_str();
    let want = answer.output.as_deref().unwrap_or_default();
    let got = match &rendering.result {
        Some(Ok(got)) => got.as_str(),
        _ => "",
    };
    let has = |words: &[&str]| words.iter().any(|word| template.contains(word));
    // The words of an error that became a value.
    let reads = has(&["fromYaml", "fromJson"])
        && ["error", "json:", "invalid", "unexpected"]
            .iter()
            .any(|word| want.contains(word));
    // An address in memory.
    let address = want.contains("0xc0")
        || (has(&["printf"]) && has(&["now", "oDate", "date_modify", "dateModify", "semver"]));
    // A character that was cut in two.
    let cut = (want.contains('\u{fffd}')
        || got.contains('\u{fffd}')
        || !template.is_ascii()
        || !question.context.to_string().is_ascii())
        && has(BYTE_CUTTERS);
    let bytes = has(&["\\x", "b64dec", "b32dec"])
        && (want.contains('\u{fffd}') || got.contains('\u{fffd}'));
    // YAML 1.1 breaks lines there, when it reads.
    let breaks = has(&["fromYaml", "toYaml"])
        && ['\u{85}', '\u{2028}', '\u{2029}'].iter().any(|char| {
            want.contains(*char)
                || got.contains(*char)
                || template.contains(*char)
                || question.context.to_string().contains(*char)
        });
    // Behind a list's end there may be room in Go's memory, which it slices as well.
    let room =
        matches!(&rendering.result, Some(Err(error)) if error.contains("is outside of a list"));
    // A nil map of Go is `null` in JSON; ours is an empty one.
    let nil_map = has(&["fromJson", "fromYaml", "unset", "merge", "Merge"])
        && want.replace("null", "{}") == got.replace("null", "{}");
    let random = has(&["rand", "shuffle", "uuidv4"]);
    reads || address || cut || bytes || breaks || room || nil_map || random
}
