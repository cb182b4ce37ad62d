//! Walks the nodes and writes the text.

use std::collections::HashMap;
use std::rc::Rc;

use jiff::Timestamp;

use crate::error::{Fault, Position, TemplateError};
use crate::limits::Meter;
use crate::print;
use crate::random::RandomStream;
use crate::value::{Journal, Value};

use super::ast::{Branch, Node, Pipe, Place, ROOT, Symbol};
use super::{Rendered, Run, Template, expression_at};

/// A value on its way through the template. Go tells apart what is not there and what is there and null: only the one has
/// fields, of which none is there either.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// No value: a missing key, and null once it passed a pipeline.
    Missing,
    /// Null, as the entry of a map or list.
    Null,
    /// Never [`Value::Nil`].
    Value(Value),
}

impl Held {
    /// What a pipeline or function gave.
    pub(super) fn given(value: Value) -> Self {
        if matches!(value, Value::Nil) {
            return Self::Missing;
        }
        Self::Value(value)
    }

    /// An entry of a map or list.
    pub(super) fn entry(value: Value) -> Self {
        if matches!(value, Value::Nil) {
            return Self::Null;
        }
        Self::Value(value)
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Missing | Self::Null => Value::Nil,
            Self::Value(value) => value,
        }
    }

    fn is_true(&self) -> bool {
        match self {
            Self::Missing | Self::Null => false,
            Self::Value(value) => value.is_true(),
        }
    }
}

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Break,
    Continue,
}

pub(super) struct Machine<'t> {
    pub(super) template: &'t Template,
    out: String,
    origins: Vec<(usize, Position)>,
    pub(super) meter: Meter,
    pub(super) now: Timestamp,
    pub(super) random: RandomStream,
    pub(super) regexes: HashMap<String, Rc<regex::Regex>>,
    /// Variables of all templates being run, innermost last.
    pub(super) vars: Vec<(Symbol, Held)>,
    /// Where those of this template start: it sees no others.
    pub(super) base: usize,
    depth: u32,
    /// Constant texts that were used already.
    constants: Vec<Option<Rc<str>>>,
    /// Arguments of the calls being made, innermost last.
    pub(super) stack: Vec<Value>,
    /// What is being looked at, for errors.
    pub(super) here: Place,
}

pub(super) fn render(
    template: &Template,
    dot: &Value,
    run: &Run,
) -> Result<Rendered, TemplateError> {
    // Outlives the machine: what the template made is let go of before its changes are taken back.
    let _journal = Journal::open();
    let mut machine = Machine {
        template,
        out: String::with_capacity(template.text.len()),
        origins: Vec::new(),
        meter: Meter::new(run.limits),
        now: run.now,
        random: RandomStream::new(run.seed),
        regexes: HashMap::new(),
        vars: Vec::with_capacity(8),
        base: 0,
        depth: 0,
        constants: vec![None; template.constants.len()],
        stack: Vec::with_capacity(8),
        here: Place {
            at: Position { line: 1, column: 1 },
            action: usize::MAX,
        },
    };
    let dot = Held::given(dot.clone());
    machine.vars.push((ROOT, dot.clone()));
    match machine.nodes(&dot, &template.root) {
        Ok(_) => Ok(Rendered {
            text: machine.out,
            origins: machine.origins,
            steps: machine.meter.taken(),
        }),
        Err(fault) => Err(TemplateError {
            place: template.place.to_string(),
            position: machine.here.at,
            expression: expression_at(&template.text, machine.here.action),
            message: fault.message,
            hint: fault.hint,
        }),
    }
}

impl<'t> Machine<'t> {
    pub(super) fn nodes(&mut self, dot: &Held, nodes: &'t [Node]) -> Result<Flow, Fault> {
        for node in nodes {
            self.meter.step()?;
            let flow = match node {
                Node::Text(at, text) => {
                    self.write(*at, text)?;
                    Flow::Next
                }
                Node::Action(pipe) => {
                    self.action(dot, pipe)?;
                    Flow::Next
                }
                Node::If(branch) | Node::With(branch) => {
                    self.deeper()?;
                    let flow = self.choose(dot, node, branch)?;
                    self.shallower();
                    flow
                }
                Node::Range(branch) => {
                    self.deeper()?;
                    let flow = self.range(dot, branch)?;
                    self.shallower();
                    flow
                }
                Node::Template(place, name, pipe) => {
                    self.here = *place;
                    self.deeper()?;
                    self.invoke(dot, *place, name, pipe.as_ref())?;
                    self.shallower();
                    Flow::Next
                }
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    pub(super) fn deeper(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        self.meter.depth(self.depth)
    }

    pub(super) fn shallower(&mut self) {
        self.depth -= 1;
    }

    fn room(&self, bytes: usize) -> Result<(), Fault> {
        let limit = self.meter.limits().output_bytes;
        if self.out.len().saturating_add(bytes) > limit {
            return Err(
                Fault::new(format!("the template writes more than {limit} bytes"))
                    .hinting("look for a loop over too many items, or repeat"),
            );
        }
        Ok(())
    }

    fn write(&mut self, at: Position, text: &str) -> Result<(), Fault> {
        if text.is_empty() {
            return Ok(());
        }
        self.room(text.len())?;
        self.origins.push((self.out.len(), at));
        self.out.push_str(text);
        Ok(())
    }

    fn action(&mut self, dot: &Held, pipe: &'t Pipe) -> Result<(), Fault> {
        let held = self.pipeline(dot, pipe)?;
        // What is declared is not written.
        if !pipe.variables.is_empty() {
            return Ok(());
        }
        let at = pipe.place.at;
        match held {
            Held::Value(Value::Str(text)) => self.write(at, &text),
            Held::Value(value) => {
                self.here = pipe.place;
                let before = self.out.len();
                print::append_text(&value, &mut self.out, &mut self.meter)?;
                if self.out.len() > before {
                    self.origins.push((before, at));
                }
                self.room(0)
            }
            Held::Missing | Held::Null => Err(self.no_value(dot, pipe)),
        }
    }

    fn choose(&mut self, dot: &Held, node: &Node, branch: &'t Branch) -> Result<Flow, Fault> {
        let mark = self.vars.len();
        let held = self.pipeline(dot, &branch.pipe)?;
        let flow = if held.is_true() {
            let inner = match node {
                Node::With(_) => &held,
                Node::Text(..)
                | Node::Action(_)
                | Node::If(_)
                | Node::Range(_)
                | Node::Template(..)
                | Node::Break
                | Node::Continue => dot,
            };
            self.nodes(inner, &branch.body)?
        } else {
            self.otherwise(dot, branch)?
        };
        self.vars.truncate(mark);
        Ok(flow)
    }

    pub(super) fn otherwise(&mut self, dot: &Held, branch: &'t Branch) -> Result<Flow, Fault> {
        match &branch.otherwise {
            Some(nodes) => self.nodes(dot, nodes),
            None => Ok(Flow::Next),
        }
    }

    fn invoke(
        &mut self,
        dot: &Held,
        place: Place,
        name: &str,
        pipe: Option<&'t Pipe>,
    ) -> Result<(), Fault> {
        let template = self.template;
        let Some(nodes) = template.defined.get(name) else {
            let near = breakglass_protocol::manifest::nearest_word(
                name,
                template.defined.keys().map(|key| &**key),
            );
            let fault = Fault::new(format!("the template {name:?} is not defined"));
            return Err(match near {
                Some(near) => fault.hinting(format!("did you mean {near:?}?")),
                None => fault.hinting(format!("write {{{{ define {name:?} }}}} … {{{{ end }}}}")),
            });
        };
        let dot = match pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Held::Missing,
        };
        self.here = place;
        let base = std::mem::replace(&mut self.base, self.vars.len());
        self.vars.push((ROOT, dot.clone()));
        self.nodes(&dot, nodes)?;
        self.vars.truncate(self.base);
        self.base = base;
        Ok(())
    }

    /// A constant text as a value, made once.
    pub(super) fn constant(&mut self, constant: super::ast::Constant) -> Value {
        let text = self.template.constants.get(constant.0);
        match self.constants.get_mut(constant.0) {
            Some(Some(made)) => Value::Str(Rc::clone(made)),
            Some(slot) => {
                let made: Rc<str> = Rc::from(text.map_or("", |text| text));
                *slot = Some(Rc::clone(&made));
                Value::Str(made)
            }
            None => Value::str(""),
        }
    }
}
