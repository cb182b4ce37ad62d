//! What stands between blanks inside an action: names, texts in quotes, numbers.

use std::sync::OnceLock;

use regex::Regex;

use super::{Keyword, Kind, Lexer, RIGHT};

impl Lexer<'_> {
    pub(super) fn quoted(&mut self, mark: char, kind: Kind, unclosed: &str) -> Result<(), String> {
        loop {
            match self.next() {
                Some('\\') if !matches!(self.next(), None | Some('\n')) => {}
                None | Some('\\' | '\n') => return Err(unclosed.to_owned()),
                Some(char) if char == mark => break,
                Some(_) => {}
            }
        }
        self.emit(kind);
        Ok(())
    }

    pub(super) fn raw(&mut self) -> Result<(), String> {
        let Some(end) = self.rest().find('`') else {
            return Err(String::from("the text in backquotes is not closed"));
        };
        self.pos += end + 1;
        self.emit(Kind::RawString);
        Ok(())
    }

    fn letters(&mut self) -> Result<(), String> {
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
        if self.at_terminator() {
            return Ok(());
        }
        let bad = self.peek().unwrap_or_default();
        self.start = self.pos;
        Err(format!("the character {bad:?} cannot follow a name"))
    }

    /// A field or variable; `alone` is what the mark is with no name behind it.
    pub(super) fn word(&mut self, kind: Kind, alone: Kind) -> Result<(), String> {
        if self.at_terminator() {
            self.emit(alone);
            return Ok(());
        }
        self.letters()?;
        self.emit(kind);
        Ok(())
    }

    pub(super) fn identifier(&mut self) -> Result<(), String> {
        self.letters()?;
        let word = self.text.get(self.start..self.pos).unwrap_or_default();
        self.emit(match word {
            "true" | "false" => Kind::Bool,
            "nil" => Kind::Nil,
            "block" => Kind::Keyword(Keyword::Block),
            "break" => Kind::Keyword(Keyword::Break),
            "continue" => Kind::Keyword(Keyword::Continue),
            "define" => Kind::Keyword(Keyword::Define),
            "else" => Kind::Keyword(Keyword::Else),
            "end" => Kind::Keyword(Keyword::End),
            "if" => Kind::Keyword(Keyword::If),
            "range" => Kind::Keyword(Keyword::Range),
            "template" => Kind::Keyword(Keyword::Template),
            "with" => Kind::Keyword(Keyword::With),
            _ => Kind::Identifier,
        });
        Ok(())
    }

    /// Whether a name may end here; `$x+2` is no sum.
    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some(' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(_) => self.rest().starts_with(RIGHT),
        }
    }

    pub(super) fn number(&mut self) -> Result<(), String> {
        self.pos = self.start;
        let mut kind = Kind::Number;
        let mut good = self.scan_number();
        if good && matches!(self.peek(), Some('+' | '-')) {
            kind = Kind::Complex;
            good = self.scan_number() && self.text.as_bytes().get(self.pos - 1) == Some(&b'i');
        }
        if !good {
            let text = self.text.get(self.start..self.pos).unwrap_or_default();
            return Err(format!("{text:?} is no number"));
        }
        self.emit(kind);
        Ok(())
    }

    fn accept(&mut self, set: &str) -> bool {
        let found = self.peek().is_some_and(|char| set.contains(char));
        if found {
            self.next();
        }
        found
    }

    fn accept_run(&mut self, set: &str) {
        while self.accept(set) {}
    }

    /// Not every number that passes here is one: the parser looks again.
    fn scan_number(&mut self) -> bool {
        const DECIMAL: &str = "0123456789_";
        const HEX: &str = "0123456789abcdefABCDEF_";
        self.accept("+-");
        let mut digits = DECIMAL;
        if self.accept("0") {
            if self.accept("xX") {
                digits = HEX;
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        let exponent = match digits {
            DECIMAL => self.accept("eE"),
            HEX => self.accept("pP"),
            _ => false,
        };
        if exponent {
            self.accept("+-");
            self.accept_run(DECIMAL);
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
    }
}

/// Letters, digits and `_`, as Unicode has letters and digits.
pub(super) fn is_alphanumeric(char: char) -> bool {
    if char.is_ascii() {
        return char == '_' || char.is_ascii_alphanumeric();
    }
    static CLASS: OnceLock<Option<Regex>> = OnceLock::new();
    CLASS
        .get_or_init(|| Regex::new(r"^[\p{Age:15.0}&&[\p{L}\p{Nd}]]$").ok())
        .as_ref()
        .is_some_and(|class| class.is_match(char.encode_utf8(&mut [0; 4])))
}
