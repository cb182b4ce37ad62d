//! Tokens become nodes: text, actions and the blocks around them. What Go's parser refuses is refused here.

use std::collections::HashMap;

use crate::error::TemplateError;
use crate::limits::Limits;

use super::ast::{Constant, Node, Place, ROOT, Symbol};
use super::blocks::Control;
use super::lexer::{Keyword, Kind, Token, lex};
use super::literal;
use super::{Template, expression_at};

/// Reads a template; the error has line and column.
pub(super) fn parse(place: &str, text: &str, limits: &Limits) -> Result<Template, TemplateError> {
    let mut lexed = lex(text);
    let mut parser = Parser {
        place,
        text,
        tokens: std::mem::take(&mut lexed.tokens),
        lex_error: lexed.error.unwrap_or_default(),
        next: 0,
        action: 0,
        limits: *limits,
        depth: 0,
        ranges: 0,
        scope: vec![ROOT],
        symbols: HashMap::from([(Box::from("$"), ROOT)]),
        constants: Vec::new(),
        defined: HashMap::new(),
    };
    if text.len() > limits.template_bytes {
        return Err(parser.error(format!(
            "the template has more than {} bytes",
            limits.template_bytes
        )));
    }
    let root = parser.root()?;
    let mut names = vec![Box::from(""); parser.symbols.len()];
    for (name, symbol) in parser.symbols {
        if let Some(slot) = names.get_mut(symbol.0) {
            *slot = name;
        }
    }
    Ok(Template {
        place: place.into(),
        text: text.into(),
        root,
        defined: parser.defined,
        constants: parser.constants,
        names,
    })
}

pub(super) struct Parser<'t> {
    place: &'t str,
    text: &'t str,
    tokens: Vec<Token<'t>>,
    lex_error: String,
    next: usize,
    /// Where the action being read starts.
    pub(super) action: usize,
    limits: Limits,
    depth: u32,
    /// Loops around this place.
    pub(super) ranges: u32,
    /// The variables that may be named here.
    pub(super) scope: Vec<Symbol>,
    symbols: HashMap<Box<str>, Symbol>,
    constants: Vec<Box<str>>,
    defined: HashMap<Box<str>, Vec<Node>>,
}

pub(super) type Parsed<T> = Result<T, TemplateError>;

/// What ends a list of nodes.
pub(super) enum End {
    End,
    Else,
}

impl<'t> Parser<'t> {
    /// The token that comes next; the last one, `Eof` or `Error`, for ever.
    pub(super) fn peek(&self) -> Token<'t> {
        self.tokens
            .get(self.next)
            .or(self.tokens.last())
            .cloned()
            .unwrap_or(Token {
                kind: Kind::Eof,
                text: "",
                start: 0,
                at: crate::error::Position::default(),
            })
    }

    pub(super) fn advance(&mut self) -> Token<'t> {
        let token = self.peek();
        self.next += 1;
        token
    }

    pub(super) fn mark(&self) -> usize {
        self.next
    }

    pub(super) fn back_to(&mut self, mark: usize) {
        self.next = mark;
    }

    pub(super) fn peek_past_space(&mut self) -> Token<'t> {
        while self.peek().kind == Kind::Space {
            self.next += 1;
        }
        self.peek()
    }

    pub(super) fn advance_past_space(&mut self) -> Token<'t> {
        self.peek_past_space();
        self.advance()
    }

    pub(super) fn place(&self, token: &Token<'_>) -> Place {
        Place {
            at: token.at,
            action: self.action,
        }
    }

    /// An error at the last token read.
    pub(super) fn error(&self, message: impl Into<String>) -> TemplateError {
        let last = self.tokens.get(self.next.saturating_sub(1));
        let at = last.map(|token| token.at).unwrap_or_default();
        self.error_at(at, message)
    }

    pub(super) fn error_at(
        &self,
        position: crate::error::Position,
        message: impl Into<String>,
    ) -> TemplateError {
        TemplateError {
            place: self.place.to_owned(),
            position,
            expression: expression_at(self.text, self.action),
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn unexpected(&self, token: &Token<'_>, context: &str) -> TemplateError {
        let message = if token.kind == Kind::Error {
            self.lex_error.clone()
        } else if token.kind == Kind::Eof {
            format!("the template ends inside the {context}")
        } else {
            format!("unexpected {:?} in the {context}", token.text)
        };
        self.error_at(token.at, message)
    }

    pub(super) fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(self.error(format!(
                "actions and parentheses are nested more than {} deep",
                self.limits.depth
            )));
        }
        Ok(())
    }

    pub(super) fn shallower(&mut self) {
        self.depth -= 1;
    }

    pub(super) fn symbol(&mut self, name: &str) -> Symbol {
        if let Some(symbol) = self.symbols.get(name) {
            return *symbol;
        }
        let symbol = Symbol(self.symbols.len());
        self.symbols.insert(name.into(), symbol);
        symbol
    }

    pub(super) fn constant(&mut self, text: String) -> Constant {
        self.constants.push(text.into_boxed_str());
        Constant(self.constants.len() - 1)
    }

    /// The whole text; templates are defined only at this level.
    fn root(&mut self) -> Parsed<Vec<Node>> {
        let mut nodes = Vec::new();
        loop {
            let token = self.peek();
            if token.kind == Kind::Eof {
                return Ok(nodes);
            }
            if token.kind == Kind::LeftDelim {
                let mark = self.mark();
                self.action = token.start;
                self.advance();
                if self.advance_past_space().kind == Kind::Keyword(Keyword::Define) {
                    self.define()?;
                    continue;
                }
                self.back_to(mark);
            }
            match self.text_or_action()? {
                Item::Node(node) => nodes.push(node),
                Item::End(End::End) => return Err(self.error("this end closes nothing")),
                Item::End(End::Else) => return Err(self.error("this else belongs to nothing")),
            }
        }
    }

    /// `{{ define "name" }} … {{ end }}`; its first word is past.
    fn define(&mut self) -> Parsed<()> {
        let token = self.advance_past_space();
        let name = self.template_name(&token, "define")?;
        let token = self.advance_past_space();
        if token.kind != Kind::RightDelim {
            return Err(self.unexpected(&token, "define"));
        }
        self.definition(name)
    }

    /// The body of a template of its own, up to its `end`.
    pub(super) fn definition(&mut self, name: String) -> Parsed<()> {
        let start = self.action;
        let scope = std::mem::replace(&mut self.scope, vec![ROOT]);
        let ranges = std::mem::take(&mut self.ranges);
        self.deeper()?;
        let (nodes, end) = self.list()?;
        self.shallower();
        self.scope = scope;
        self.ranges = ranges;
        if matches!(end, End::Else) {
            return Err(self.error("a template that is defined has no else"));
        }
        match self.defined.get(name.as_str()) {
            // An empty one may be filled later.
            Some(before) if !is_empty(before) => {
                if !is_empty(&nodes) {
                    self.action = start;
                    return Err(self.error(format!("the template {name:?} is defined twice")));
                }
            }
            Some(_) | None => {
                self.defined.insert(name.into(), nodes);
            }
        }
        Ok(())
    }

    pub(super) fn template_name(&self, token: &Token<'_>, context: &str) -> Parsed<String> {
        if !matches!(token.kind, Kind::String | Kind::RawString) {
            return Err(self
                .unexpected(token, context)
                .hinting("write the template's name in quotes"));
        }
        literal::unquote(token.text)
            .ok_or_else(|| self.error_at(token.at, format!("{} has an unknown escape", token.text)))
    }

    pub(super) fn list(&mut self) -> Parsed<(Vec<Node>, End)> {
        let mut nodes = Vec::new();
        let opened = self.action;
        while self.peek_past_space().kind != Kind::Eof {
            match self.text_or_action()? {
                Item::Node(node) => nodes.push(node),
                Item::End(end) => return Ok((nodes, end)),
            }
        }
        self.action = opened;
        let at = self.peek().at;
        Err(self
            .error_at(at, "the template ends before the action is closed")
            .hinting("add {{ end }}"))
    }

    fn text_or_action(&mut self) -> Parsed<Item> {
        let token = self.advance_past_space();
        if token.kind == Kind::Text {
            return Ok(Item::Node(Node::Text(token.at, token.text.into())));
        }
        if token.kind != Kind::LeftDelim {
            return Err(self.unexpected(&token, "template"));
        }
        self.action = token.start;
        self.action()
    }

    fn action(&mut self) -> Parsed<Item> {
        let token = self.peek_past_space();
        let Kind::Keyword(keyword) = token.kind else {
            let pipe = self.pipeline("action", Kind::RightDelim)?;
            return Ok(Item::Node(Node::Action(pipe)));
        };
        self.advance();
        let node = match keyword {
            Keyword::Block => self.block()?,
            Keyword::Break => self.leave(Node::Break, "break")?,
            Keyword::Continue => self.leave(Node::Continue, "continue")?,
            Keyword::Else => return self.else_end(),
            Keyword::End => {
                let token = self.advance_past_space();
                if token.kind != Kind::RightDelim {
                    return Err(self.unexpected(&token, "end"));
                }
                return Ok(Item::End(End::End));
            }
            Keyword::If => Node::If(self.control(Control::If)?),
            Keyword::Range => Node::Range(self.control(Control::Range)?),
            Keyword::With => Node::With(self.control(Control::With)?),
            Keyword::Template => self.template()?,
            Keyword::Define => {
                return Err(self
                    .unexpected(&token, "action")
                    .hinting("define stands outside of every other action"));
            }
        };
        Ok(Item::Node(node))
    }
}

pub(super) enum Item {
    Node(Node),
    End(End),
}

/// Whether there is nothing but white space.
fn is_empty(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| match node {
        Node::Text(_, text) => text.trim().is_empty(),
        Node::Action(_)
        | Node::If(_)
        | Node::With(_)
        | Node::Range(_)
        | Node::Template(..)
        | Node::Break
        | Node::Continue => false,
    })
}
