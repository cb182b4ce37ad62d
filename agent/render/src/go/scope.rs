//! Variables while a template runs. Their names are looked up as they are reached, as Go does: a block that did not run
//! declares nothing.

use crate::error::Fault;

use super::ast::Symbol;
use super::machine::{Held, Machine};

impl<'t> Machine<'t> {
    pub(super) fn declare(&mut self, symbol: Symbol, value: Held) -> Result<(), Fault> {
        self.meter.bytes(size_of::<(Symbol, Held)>())?;
        self.vars.push((symbol, value));
        Ok(())
    }

    pub(super) fn assign(&mut self, symbol: Symbol, value: Held) -> Result<(), Fault> {
        match self.find(symbol) {
            Some(place) => {
                if let Some((_, slot)) = self.vars.get_mut(place) {
                    *slot = value;
                }
                Ok(())
            }
            None => Err(self.undefined(symbol)),
        }
    }

    pub(super) fn variable(&self, symbol: Symbol) -> Result<&Held, Fault> {
        self.find(symbol)
            .and_then(|place| self.vars.get(place))
            .map(|(_, held)| held)
            .ok_or_else(|| self.undefined(symbol))
    }

    /// The innermost variable of this name.
    fn find(&self, symbol: Symbol) -> Option<usize> {
        let own = self.vars.get(self.base..).unwrap_or_default();
        own.iter()
            .rposition(|(name, _)| *name == symbol)
            .map(|place| place + self.base)
    }

    fn undefined(&self, symbol: Symbol) -> Fault {
        let name = self.name(symbol);
        Fault::new(format!("the variable {name} is not defined"))
            .hinting(format!("declare it first: {name} := …"))
    }

    pub(super) fn name(&self, symbol: Symbol) -> &'t str {
        self.template.names.get(symbol.0).map_or("$", |name| name)
    }
}
