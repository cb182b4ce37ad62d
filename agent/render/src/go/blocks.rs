//! What encloses other nodes: `if`, `with`, `range`, `block`; and what belongs to them.

use super::ast::{Branch, Node};
use super::lexer::{Keyword, Kind};
use super::parser::{End, Item, Parsed, Parser};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    If,
    With,
    Range,
}

impl Parser<'_> {
    pub(super) fn leave(&mut self, node: Node, name: &str) -> Parsed<Node> {
        let token = self.advance_past_space();
        if token.kind != Kind::RightDelim {
            return Err(self.unexpected(&token, name));
        }
        if self.ranges == 0 {
            return Err(self.error(format!("{name} outside of range")));
        }
        Ok(node)
    }

    /// `else` alone; of `else if` and `else with` the second word is left for [`Parser::control`].
    pub(super) fn else_end(&mut self) -> Parsed<Item> {
        let token = self.peek_past_space();
        let chained = matches!(token.kind, Kind::Keyword(Keyword::If | Keyword::With));
        if !chained {
            let token = self.advance_past_space();
            if token.kind != Kind::RightDelim {
                return Err(self.unexpected(&token, "else"));
            }
        }
        Ok(Item::End(End::Else))
    }

    pub(super) fn control(&mut self, control: Control) -> Parsed<Branch> {
        self.deeper()?;
        let opened = self.action;
        let scope = self.scope.len();
        let (context, chained) = match control {
            Control::If => ("if", Some(Keyword::If)),
            Control::With => ("with", Some(Keyword::With)),
            Control::Range => ("range", None),
        };
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        let loops = u32::from(control == Control::Range);
        self.ranges += loops;
        let (body, end) = self.list_of(opened)?;
        self.ranges -= loops;
        let otherwise = match end {
            End::End => None,
            End::Else => Some(self.otherwise(control, chained, opened)?),
        };
        self.scope.truncate(scope);
        self.shallower();
        Ok(Branch {
            pipe,
            body,
            otherwise,
        })
    }

    /// As [`Parser::list`]; an error about a missing `end` shows the action that was opened.
    fn list_of(&mut self, opened: usize) -> Parsed<(Vec<Node>, End)> {
        self.action = opened;
        self.list()
    }

    fn otherwise(
        &mut self,
        control: Control,
        chained: Option<Keyword>,
        opened: usize,
    ) -> Parsed<Vec<Node>> {
        if let Kind::Keyword(keyword) = self.peek().kind
            && Some(keyword) == chained
        {
            self.advance();
            let branch = self.control(control)?;
            return Ok(vec![match control {
                Control::With => Node::With(branch),
                Control::If | Control::Range => Node::If(branch),
            }]);
        }
        let (nodes, end) = self.list_of(opened)?;
        match end {
            End::End => Ok(nodes),
            End::Else => Err(self.error("expected end: there is one else already")),
        }
    }

    pub(super) fn block(&mut self) -> Parsed<Node> {
        let token = self.advance_past_space();
        let place = self.place(&token);
        let name = self.template_name(&token, "block")?;
        let pipe = self.pipeline("block", Kind::RightDelim)?;
        self.definition(name.clone())?;
        Ok(Node::Template(place, name.into(), Some(pipe)))
    }

    pub(super) fn template(&mut self) -> Parsed<Node> {
        let token = self.advance_past_space();
        let place = self.place(&token);
        let name = self.template_name(&token, "template")?;
        let pipe = if self.peek_past_space().kind == Kind::RightDelim {
            self.advance();
            None
        } else {
            Some(self.pipeline("template", Kind::RightDelim)?)
        };
        Ok(Node::Template(place, name.into(), pipe))
    }
}
