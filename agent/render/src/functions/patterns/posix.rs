//! Named classes of characters.

use super::translate::Wrong;

/// `[:alpha:]` and its like at the start of a text, and what follows.
pub(super) fn posix(text: &str) -> Result<Option<(&str, &str)>, Wrong> {
    let Some(end) = text
        .strip_prefix("[:")
        .and_then(|behind| behind.find(":]"))
        .map(|end| end + 4)
    else {
        return Ok(None);
    };
    let (class, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let name = class
        .trim_start_matches(['[', ':', '^'])
        .trim_end_matches([':', ']']);
    const NAMES: [&str; 14] = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
        "space", "upper", "word", "xdigit",
    ];
    if !NAMES.contains(&name) {
        return Err(format!("{class} is no class of characters"));
    }
    Ok(Some((class, rest)))
}
