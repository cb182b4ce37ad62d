//! What happens to texts between a value and YAML: they are written as JSON, and read as YAML.

use std::borrow::Cow;

use crate::functions::json::NoJson;

/// More characters than this cannot be a key of JSON that is read as YAML, both quotes counted.
const MAX_KEY: usize = 1024;

/// What is left of a text that is written as JSON and read as YAML: a next-line character in it ends a line, which is
/// folded; others are not allowed there at all.
pub(super) fn through_json(text: &str) -> Result<Cow<'_, str>, NoJson> {
    if text.is_ascii() && !text.contains('\u{7f}') {
        return Ok(Cow::Borrowed(text));
    }
    check_characters(text)?;
    if !text.contains('\u{85}') {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split('\u{85}').peekable();
    let mut breaks = 0;
    while let Some(part) = parts.next() {
        let part = if breaks > 0 {
            part.trim_start_matches(' ')
        } else {
            part
        };
        let last = parts.peek().is_none();
        let part = if last {
            part
        } else {
            part.trim_end_matches(' ')
        };
        if !part.is_empty() || (last && breaks > 0) {
            match breaks {
                0 => {}
                1 => out.push(' '),
                _ => out.extend(std::iter::repeat_n('\n', breaks - 1)),
            }
            breaks = 0;
        }
        out.push_str(part);
        breaks += 1;
    }
    Ok(Cow::Owned(out))
}

/// Whether JSON and the reading of it leave a text as it is.
pub(super) fn survives_json(text: &str) -> bool {
    through_json(text).is_ok_and(|after| after == text)
}

fn check_characters(text: &str) -> Result<(), NoJson> {
    let foreign =
        |c: char| matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    match text.chars().find(|c| foreign(*c)) {
        None => Ok(()),
        Some(c) => Err(NoJson::Unsupported(format!(
            "YAML does not allow the character U+{:04X}",
            u32::from(c)
        ))),
    }
}

/// Whether a text may be a key on this way.
pub(super) fn check_key(key: &str) -> Result<(), NoJson> {
    check_characters(key)?;
    let escaped = |c: char| match c {
        '"' | '\\' | '\u{8}' | '\u{c}' | '\n' | '\r' | '\t' => 2,
        '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => 6,
        _ => 1,
    };
    let long = key.len() > MAX_KEY / 6 && key.chars().map(escaped).sum::<usize>() + 2 > MAX_KEY;
    if long || key.contains('\u{85}') {
        return Err(NoJson::Unsupported(
            "a key is too long, or of more than one line".to_owned(),
        ));
    }
    Ok(())
}
