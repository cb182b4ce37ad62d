//! A template's text becomes tokens: plain text between actions, and what stands inside actions. Trim markers and comments
//! end here; the parser never sees them.

use crate::error::Position;

mod words;

use words::is_alphanumeric;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The text of the lexer's error; nothing follows.
    Error,
    Bool,
    /// Punctuation without a kind of its own, such as a comma.
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    /// With its leading dot.
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    /// With its leading `$`.
    Variable,
    Dot,
    Nil,
    Keyword(Keyword),
}

impl Kind {
    /// Whether an operand may start with it.
    pub(super) fn starts_operand(self) -> bool {
        matches!(
            self,
            Self::Bool
                | Self::CharConstant
                | Self::Complex
                | Self::Dot
                | Self::Field
                | Self::Identifier
                | Self::Number
                | Self::Nil
                | Self::RawString
                | Self::String
                | Self::Variable
                | Self::LeftParen
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

#[derive(Clone, Debug)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    pub(super) text: &'t str,
    /// Where it starts, in bytes.
    pub(super) start: usize,
    pub(super) at: Position,
}

/// All tokens, an `Eof` or `Error` last, and the error's words.
pub(super) struct Lexed<'t> {
    pub(super) tokens: Vec<Token<'t>>,
    pub(super) error: Option<String>,
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
/// Go's white space, as far as templates know it.
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

pub(super) fn lex(text: &str) -> Lexed<'_> {
    let mut lexer = Lexer {
        text,
        pos: 0,
        start: 0,
        parens: 0,
        counted: 0,
        at: Position { line: 1, column: 1 },
        tokens: Vec::with_capacity(text.len() / 8 + 2),
    };
    let error = lexer.run().err();
    if error.is_some() {
        let at = lexer.position(lexer.start);
        lexer.tokens.push(Token {
            kind: Kind::Error,
            text: "",
            start: lexer.start,
            at,
        });
    }
    Lexed {
        tokens: lexer.tokens,
        error,
    }
}

struct Lexer<'t> {
    text: &'t str,
    pos: usize,
    /// Where the token being read starts.
    start: usize,
    parens: u32,
    /// The byte whose line and column `at` is.
    counted: usize,
    at: Position,
    tokens: Vec<Token<'t>>,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.pos..).unwrap_or_default()
    }

    /// Line and column of a byte, counted on from the last one asked.
    fn position(&mut self, offset: usize) -> Position {
        let between = self.text.get(self.counted..offset).unwrap_or_default();
        for char in between.chars() {
            if char == '\n' {
                self.at.line += 1;
                self.at.column = 1;
            } else {
                self.at.column += 1;
            }
        }
        self.counted = self.counted.max(offset);
        self.at
    }

    fn emit(&mut self, kind: Kind) {
        let at = self.position(self.start);
        self.tokens.push(Token {
            kind,
            text: self.text.get(self.start..self.pos).unwrap_or_default(),
            start: self.start,
            at,
        });
        self.start = self.pos;
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.pos += char.len_utf8();
        Some(char)
    }

    fn skip(&mut self, bytes: usize) {
        self.pos += bytes;
        self.start = self.pos;
    }

    /// Text and actions, to the end.
    fn run(&mut self) -> Result<(), String> {
        while let Some(before) = self.rest().find(LEFT) {
            let text = self.rest().get(..before).unwrap_or_default();
            let behind = self.rest().get(before + LEFT.len()..).unwrap_or_default();
            let trims = trims_left(behind);
            let kept = if trims {
                text.trim_end_matches(SPACES).len()
            } else {
                text.len()
            };
            if kept > 0 {
                self.pos += kept;
                self.emit(Kind::Text);
            }
            self.skip(before - kept);
            let marker = if trims { 2 } else { 0 };
            if behind
                .get(marker..)
                .is_some_and(|text| text.starts_with("/*"))
            {
                self.skip(LEFT.len() + marker);
                self.comment()?;
                continue;
            }
            self.pos += LEFT.len();
            self.emit(Kind::LeftDelim);
            self.skip(marker);
            self.parens = 0;
            while self.inside()? == Inside::Action {}
        }
        if !self.rest().is_empty() {
            self.pos = self.text.len();
            self.emit(Kind::Text);
        }
        self.emit(Kind::Eof);
        Ok(())
    }

    fn comment(&mut self) -> Result<(), String> {
        let body = self.rest().get(2..).unwrap_or_default();
        let Some(end) = body.find("*/") else {
            return Err(String::from("the comment is not closed: */ is missing"));
        };
        self.pos += 2 + end + 2;
        let Some(delim) = self.right_delim() else {
            return Err(String::from(
                "a comment must be alone in its action: }} must follow */ at once",
            ));
        };
        self.close(delim);
        Ok(())
    }

    /// The closing delimiter that stands here, if one does.
    fn right_delim(&self) -> Option<Delim> {
        if trims_right(self.rest())
            && self
                .rest()
                .get(2..)
                .is_some_and(|rest| rest.starts_with(RIGHT))
        {
            return Some(Delim::Trimming);
        }
        self.rest().starts_with(RIGHT).then_some(Delim::Plain)
    }

    /// Passes the delimiter and the white space that it trims.
    fn close(&mut self, delim: Delim) {
        match delim {
            Delim::Plain => self.skip(RIGHT.len()),
            Delim::Trimming => {
                self.skip(2 + RIGHT.len());
                let rest = self.rest();
                self.skip(rest.len() - rest.trim_start_matches(SPACES).len());
            }
        }
    }

    fn end_of_action(&mut self, delim: Delim) -> Result<(), String> {
        if self.parens > 0 {
            return Err(String::from("a parenthesis is not closed"));
        }
        let at = self.position(self.start);
        self.tokens.push(Token {
            kind: Kind::RightDelim,
            text: RIGHT,
            start: self.pos,
            at,
        });
        self.close(delim);
        Ok(())
    }

    /// One token inside an action.
    fn inside(&mut self) -> Result<Inside, String> {
        if let Some(delim) = self.right_delim() {
            self.end_of_action(delim)?;
            return Ok(Inside::Text);
        }
        let Some(char) = self.next() else {
            return Err(String::from("the action is not closed: }} is missing"));
        };
        match char {
            ' ' | '\t' | '\r' | '\n' => self.space(),
            '=' => self.emit(Kind::Assign),
            ':' if self.next() == Some('=') => self.emit(Kind::Declare),
            ':' => return Err(String::from("expected :=")),
            '|' => self.emit(Kind::Pipe),
            '"' => self.quoted('"', Kind::String, "the text in quotes is not closed")?,
            '\'' => self.quoted(
                '\'',
                Kind::CharConstant,
                "the character in quotes is not closed",
            )?,
            '`' => self.raw()?,
            '$' => self.word(Kind::Variable, Kind::Variable)?,
            '.' if !self.peek().is_some_and(|next| next.is_ascii_digit())
                && !self.rest().is_empty() =>
            {
                self.word(Kind::Field, Kind::Dot)?;
            }
            '.' | '+' | '-' | '0'..='9' => self.number()?,
            '(' => {
                self.parens += 1;
                self.emit(Kind::LeftParen);
            }
            ')' if self.parens == 0 => {
                return Err(String::from("this parenthesis closes nothing"));
            }
            ')' => {
                self.parens -= 1;
                self.emit(Kind::RightParen);
            }
            _ if is_alphanumeric(char) => self.identifier()?,
            '!'..='~' => self.emit(Kind::Char),
            _ => return Err(format!("the character {char:?} has no meaning here")),
        }
        Ok(Inside::Action)
    }

    /// A run of blanks, but for one that belongs to a trim marker.
    fn space(&mut self) {
        while self.peek().is_some_and(|char| SPACES.contains(&char)) {
            self.pos += 1;
        }
        self.pos -= 1;
        if self.right_delim() != Some(Delim::Trimming) {
            self.pos += 1;
        }
        if self.pos > self.start {
            self.emit(Kind::Space);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Delim {
    Plain,
    Trimming,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Action,
    Text,
}

/// `- ` behind a left delimiter.
fn trims_left(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next() == Some('-') && chars.next().is_some_and(|char| SPACES.contains(&char))
}

/// ` -` before a right delimiter.
fn trims_right(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|char| SPACES.contains(&char)) && chars.next() == Some('-')
}
