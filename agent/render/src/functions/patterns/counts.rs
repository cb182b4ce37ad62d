//! Counted repetitions.

use super::translate::Wrong;

/// The largest count in `{n,m}`, as in Go.
pub(super) const MAX_REPEAT: u32 = 1000;

/// `{n}`, `{n,}`, `{n,m}` behind its brace; `None` if it is none: then the brace is a mere character.
/// What the crate is to have, the count that weighs, and what follows.
pub(super) fn counts(text: &str) -> Result<Option<(String, u32, &str)>, Wrong> {
    let Some((inner, rest)) = text.split_once('}') else {
        return Ok(None);
    };
    let (min, max) = inner.split_once(',').unwrap_or((inner, inner));
    let open = inner.contains(',') && max.is_empty();
    let is_number = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'))
    };
    if !is_number(min) || !(open || is_number(max)) {
        return Ok(None);
    }
    let count = |text: &str| text.parse().ok().filter(|count| *count <= MAX_REPEAT);
    let (low, high) = (count(min), if open { Some(MAX_REPEAT) } else { count(max) });
    match (low, high) {
        (Some(low), Some(high)) if low <= high => {
            let count = if open { low } else { high };
            Ok(Some((format!("{{{inner}}}"), count, rest)))
        }
        _ => Err(format!("{{{inner}}} is not a count from 0 to {MAX_REPEAT}")),
    }
}
