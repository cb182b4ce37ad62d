//! The one thing that minijinja's fuel does not bound: a list that is added to itself again and again. Its items are made
//! only when they are visited, so the adding is cheap, but even its length takes twice as long to find each time. So
//! lists may be added a few times, and not in loops or macros.

use crate::error::TemplateError;

/// Additions of two values that are kept: each doubles a list at most, so this is 65,536 times.
const MAX_ADDITIONS: usize = 16;

/// Looks for additions whose results are kept.
pub(super) fn check(place: &str, text: &str) -> Result<(), TemplateError> {
    let mut repeated: usize = 0;
    let mut kept = 0;
    let has_macro = tags(text).any(|tag| tag.word() == Some("macro"));
    for tag in tags(text) {
        match tag.word() {
            Some("for" | "macro") => repeated += 1,
            Some("endfor" | "endmacro") => repeated = repeated.saturating_sub(1),
            _ => {}
        }
        let keeps = has_macro || matches!(tag.word(), Some("set" | "with"));
        if !keeps {
            continue;
        }
        for offset in additions(tag.body) {
            kept += 1;
            if repeated > 0 || kept > MAX_ADDITIONS {
                let at = tag.start + offset;
                return Err(TemplateError {
                    place: place.to_owned(),
                    position: super::position(text, at),
                    expression: tag.body.trim().chars().take(80).collect(),
                    message: if repeated > 0 {
                        "two values are added in a loop or macro, and the sum is kept".to_owned()
                    } else {
                        format!("more than {MAX_ADDITIONS} sums are kept")
                    },
                    hint: Some(
                        "lists that grow this way have no bound; join texts with ~, and numbers with | add(…)"
                            .to_owned(),
                    ),
                });
            }
        }
    }
    Ok(())
}

/// What stands between `{{` or `{%` and its end.
struct Tag<'a> {
    /// Offset of `body`.
    start: usize,
    body: &'a str,
    is_statement: bool,
}

impl Tag<'_> {
    /// The first word of a statement.
    fn word(&self) -> Option<&str> {
        let body = self.body.trim_start_matches(['-', '+']).trim_start();
        let end = body
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(body.len());
        self.is_statement.then(|| body.get(..end)).flatten()
    }
}

fn tags(text: &str) -> impl Iterator<Item = Tag<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(at..)?;
            let open = rest.find('{')?;
            let start = at + open + 2;
            let (end, is_statement) = match rest.as_bytes().get(open + 1) {
                Some(b'{') => ("}}", false),
                Some(b'%') => ("%}", true),
                Some(b'#') => {
                    at = start + text.get(start..)?.find("#}").map_or(0, |length| length + 2);
                    continue;
                }
                Some(_) | None => {
                    at += open + 1;
                    continue;
                }
            };
            let body = text.get(start..)?;
            let length = body_length(body, end);
            at = start + length;
            return Some(Tag {
                start,
                body: body.get(..length).unwrap_or_default(),
                is_statement,
            });
        }
    })
}

/// Up to the end mark that is not in a string.
fn body_length(body: &str, end: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (offset, c) in body.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if body.get(offset..).is_some_and(|rest| rest.starts_with(end)) => return offset,
            None => {}
        }
    }
    body.len()
}

/// Offsets of every `+` between two values of which none is a literal number or text, and of every `chain`.
fn additions(body: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut quote = None;
    let mut escaped = false;
    for (offset, c) in body.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '+' => {
                let before = body.get(..offset).unwrap_or_default().trim_end();
                let after = body.get(offset + 1..).unwrap_or_default().trim_start();
                let is_trim_mark = before.is_empty() || after.is_empty();
                if !is_trim_mark && !ends_literal(before) && !starts_literal(after) {
                    found.push(offset);
                }
            }
            None if body
                .get(offset..)
                .is_some_and(|rest| rest.starts_with("chain")) =>
            {
                found.push(offset);
            }
            None => {}
        }
    }
    found
}

fn starts_literal(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || c == '"' || c == '\'')
}

fn ends_literal(text: &str) -> bool {
    if text.ends_with(['"', '\'']) {
        return true;
    }
    let word = text
        .rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.')
        .next()
        .unwrap_or_default();
    word.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn sums_that_grow_are_refused() {
        for text in [
            "{% set ns = namespace(x=['a']) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
            "{% macro m(x, n) %}{% if n %}{{ m(x + x, n - 1) }}{% endif %}{% endmacro %}{{ m(['a'], 60) }}",
            "{% for i in range(60) %}{% set x = x|chain(x) %}{% endfor %}",
        ] {
            assert!(check("t", text).is_err(), "{text}");
        }
        let many = "{% set x = x + x %}".repeat(17);
        assert!(check("t", &many).is_err());
    }

    #[test]
    fn ordinary_sums_pass() {
        for text in [
            "{% for i in list %}{% set n = loop.index + 1 %}{{ n + offset }}{% endfor %}",
            "{%+ set x = 1 +%}{% set y = 'a' + b %}{# x + x #}",
            "{% set all = first + second %}{{ '}}' ~ x }}",
        ] {
            assert_eq!(check("t", text), Ok(()), "{text}");
        }
    }
}
