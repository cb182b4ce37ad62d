//! RE2's syntax, as Go's `regexp` takes it, in the words of the crate `regex`. What Go refuses is refused here, whether
//! the crate could do it or not: a template renders alike in both.

use super::counts::{MAX_REPEAT, counts};
use super::posix::posix;

/// Why a text is not a pattern.
pub(super) type Wrong = String;

/// The name of a group as it was written. In Go it may start with a digit, and two groups may have the same: here each
/// gets its number before it.
pub(super) fn name_of(group: &str) -> Option<&str> {
    group.split_once('_').map(|(_, name)| name)
}

pub(super) fn translate(pattern: &str) -> Result<String, Wrong> {
    let mut translator = Translator {
        rest: pattern,
        out: String::with_capacity(pattern.len() * 2),
        before: Before::Nothing,
        groups: Vec::new(),
        names: 0,
        weight: 1,
        heaviest: 1,
    };
    while !translator.rest.is_empty() {
        translator.step()?;
    }
    match translator.groups.is_empty() {
        true => Ok(translator.out),
        false => Err("a ) is missing".to_owned()),
    }
}

/// What stands before a repetition.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing that could be repeated.
    Nothing,
    Atom,
    Repetition,
}

struct Translator<'a> {
    rest: &'a str,
    out: String,
    before: Before,
    /// For each open group, the heaviest atom before it in the group around it.
    groups: Vec<u32>,
    names: usize,
    /// How often the last atom's inside is counted, by repetitions in repetitions.
    weight: u32,
    heaviest: u32,
}

impl<'a> Translator<'a> {
    fn step(&mut self) -> Result<(), Wrong> {
        let Some(c) = self.next() else { return Ok(()) };
        match c {
            '\\' => self.escape(),
            '(' => self.group(),
            ')' => {
                let before = self.groups.pop().ok_or("a ) without its (")?;
                self.atom(")");
                self.weight = self.heaviest;
                self.heaviest = before.max(self.weight);
                Ok(())
            }
            '|' => {
                self.out.push('|');
                self.before = Before::Nothing;
                Ok(())
            }
            '[' => self.class(),
            '*' | '+' | '?' => self.repetition(&c.to_string()),
            '{' => match counts(self.rest)? {
                Some((counts, count, rest)) => {
                    self.rest = rest;
                    self.weight = self.weight.saturating_mul(count.max(1));
                    if self.weight > MAX_REPEAT {
                        return Err(format!("more than {MAX_REPEAT} repetitions in each other"));
                    }
                    self.heaviest = self.heaviest.max(self.weight);
                    self.repetition(&counts)
                }
                None => {
                    self.literal('{');
                    Ok(())
                }
            },
            '^' | '$' | '.' => {
                self.atom(c.encode_utf8(&mut [0; 4]));
                Ok(())
            }
            _ => {
                self.literal(c);
                Ok(())
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        Some(c)
    }

    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn atom(&mut self, text: &str) {
        self.out.push_str(text);
        self.before = Before::Atom;
        self.weight = 1;
    }

    fn literal(&mut self, c: char) {
        self.atom(&regex::escape(c.encode_utf8(&mut [0; 4])));
    }

    fn repetition(&mut self, operator: &str) -> Result<(), Wrong> {
        match self.before {
            Before::Nothing => return Err(format!("{operator} has nothing to repeat")),
            Before::Repetition => return Err(format!("{operator} repeats a repetition")),
            Before::Atom => {}
        }
        self.out.push_str(operator);
        if self.take("?") {
            self.out.push('?');
        }
        self.before = Before::Repetition;
        Ok(())
    }

    fn open(&mut self) {
        self.groups.push(self.heaviest);
        self.heaviest = 1;
    }

    fn group(&mut self) -> Result<(), Wrong> {
        self.before = Before::Nothing;
        if !self.take("?") {
            self.open();
            self.out.push('(');
            return Ok(());
        }
        if self.take("P<") || self.take("<") {
            let (name, rest) = self
                .rest
                .split_once('>')
                .ok_or("the name of a group has no end")?;
            let valid = !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !valid {
                return Err(format!("{name:?} is not the name of a group"));
            }
            self.names += 1;
            self.rest = rest;
            self.open();
            let number = self.names;
            self.out.push_str(&format!("(?P<n{number}_{name}>"));
            return Ok(());
        }
        self.flags()
    }

    fn flags(&mut self) -> Result<(), Wrong> {
        let start = self.rest;
        let (mut negative, mut seen) = (false, false);
        loop {
            match self.next() {
                Some('i' | 'm' | 's' | 'U') => seen = true,
                Some('-') if !negative => (negative, seen) = (true, false),
                Some(end @ (':' | ')')) if seen || !negative => {
                    let length = start.len() - self.rest.len() - 1;
                    let flags = start.get(..length).unwrap_or_default();
                    if end == ':' {
                        self.open();
                        self.out.push_str(&format!("(?{flags}:"));
                    } else if !flags.is_empty() {
                        self.out.push_str(&format!("(?{flags})"));
                    }
                    return Ok(());
                }
                _ => {
                    return Err(
                        "(? starts a group that RE2 does not have, such as look-around".to_owned(),
                    );
                }
            }
        }
    }

    fn escape(&mut self) -> Result<(), Wrong> {
        if self.take("Q") {
            let (text, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
            text.chars().for_each(|c| self.literal(c));
            self.rest = rest;
            return Ok(());
        }
        let place = match self.rest.chars().next() {
            Some('A') => r"\A",
            Some('z') => r"\z",
            Some('b') => r"(?-u:\b)",
            Some('B') => r"(?-u:\B)",
            _ => {
                let set = self.set()?;
                match set {
                    Some(set) => self.atom(&format!("[{set}]")),
                    None => {
                        let c = self.escaped_char()?;
                        self.literal(c);
                    }
                }
                return Ok(());
            }
        };
        self.next();
        self.atom(place);
        Ok(())
    }

    /// `\d`, `\pL` and their like behind the backslash, as the inside of a class.
    fn set(&mut self) -> Result<Option<String>, Wrong> {
        let set = match self.rest.chars().next() {
            Some('d') => "0-9".to_owned(),
            Some('D') => "[^0-9]".to_owned(),
            Some('s') => r"\t\n\x0c\r ".to_owned(),
            Some('S') => r"[^\t\n\x0c\r ]".to_owned(),
            Some('w') => "0-9A-Za-z_".to_owned(),
            Some('W') => "[^0-9A-Za-z_]".to_owned(),
            Some(sign @ ('p' | 'P')) => {
                self.next();
                return self.unicode(sign).map(Some);
            }
            _ => return Ok(None),
        };
        self.next();
        Ok(Some(set))
    }

    fn unicode(&mut self, sign: char) -> Result<String, Wrong> {
        let name = match self.next() {
            Some('{') => {
                let (name, rest) = self
                    .rest
                    .split_once('}')
                    .ok_or("the name of a Unicode class has no end")?;
                self.rest = rest;
                name.to_owned()
            }
            Some(c) => c.to_string(),
            None => return Err("a Unicode class has no name".to_owned()),
        };
        let (name, negated) = match name.strip_prefix('^') {
            Some(name) => (name, sign == 'p'),
            None => (name.as_str(), sign == 'P'),
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!("{name:?} is not the name of a Unicode class"));
        }
        let class =
            class(name).ok_or_else(|| format!("{name:?} is not the name of a Unicode class"))?;
        Ok(format!(r"\{}{{{class}}}", if negated { 'P' } else { 'p' }))
    }

    /// The character that an escape stands for.
    fn escaped_char(&mut self) -> Result<char, Wrong> {
        let unknown = |c: char| format!("\\{c} is no escape of RE2");
        let Some(c) = self.next() else {
            return Err("the pattern ends with a backslash".to_owned());
        };
        Ok(match c {
            'a' => '\u{7}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' => return self.hex(),
            '0'..='7' => {
                let second = self.rest.starts_with(|c| matches!(c, '0'..='7'));
                if c != '0' && !second {
                    // It would refer to a group.
                    return Err(unknown(c));
                }
                let mut code = c.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = self.rest.chars().next().and_then(|c| c.to_digit(8)) else {
                        break;
                    };
                    self.next();
                    code = code * 8 + digit;
                }
                char::from_u32(code).ok_or_else(|| unknown(c))?
            }
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() => c,
            _ => return Err(unknown(c)),
        })
    }

    fn hex(&mut self) -> Result<char, Wrong> {
        let digits = if self.take("{") {
            let (digits, rest) = self.rest.split_once('}').ok_or("\\x{ has no end")?;
            self.rest = rest;
            digits
        } else {
            let (digits, rest) = self
                .rest
                .split_at_checked(2)
                .ok_or("\\x wants two hexadecimal digits")?;
            self.rest = rest;
            digits
        };
        let wrong = || format!("\\x{{{digits}}} is no character");
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        u32::from_str_radix(digits, 16)
            .ok()
            .and_then(char::from_u32)
            .ok_or_else(wrong)
    }

    fn class(&mut self) -> Result<(), Wrong> {
        let mut set = String::from("[");
        if self.take("^") {
            set.push('^');
        }
        let mut first = true;
        loop {
            if !first && self.take("]") {
                set.push(']');
                self.atom(&set);
                return Ok(());
            }
            first = false;
            if let Some((named, rest)) = posix(self.rest)? {
                set.push_str(named);
                self.rest = rest;
                continue;
            }
            if let Some(behind) = self.rest.strip_prefix('\\') {
                let before = std::mem::replace(&mut self.rest, behind);
                if let Some(named) = self.set()? {
                    set.push_str(&named);
                    continue;
                }
                self.rest = before;
            }
            let low = self.class_char()?;
            let is_range = self.rest.starts_with('-') && !self.rest.starts_with("-]");
            if is_range && self.rest.len() > 1 {
                self.next();
                let high = self.class_char()?;
                if high < low {
                    return Err(format!("{low}-{high} is no range"));
                }
                set.push_str(&format!(
                    r"\x{{{:x}}}-\x{{{:x}}}",
                    u32::from(low),
                    u32::from(high)
                ));
            } else {
                set.push_str(&format!(r"\x{{{:x}}}", u32::from(low)));
            }
        }
    }

    fn class_char(&mut self) -> Result<char, Wrong> {
        match self.next() {
            Some('\\') => self.escaped_char(),
            Some(c) => Ok(c),
            None => Err("a ] is missing".to_owned()),
        }
    }
}

/// Of Unicode's properties RE2 knows general categories and scripts only.
fn class(name: &str) -> Option<String> {
    if ["any", "assigned", "ascii"].contains(&name.to_ascii_lowercase().as_str()) {
        return Some(name.to_owned());
    }
    [format!("gc={name}"), format!("sc={name}")]
        .into_iter()
        .find(|class| regex::Regex::new(&format!(r"\p{{{class}}}")).is_ok())
}
