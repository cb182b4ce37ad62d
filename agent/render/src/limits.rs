//! What one rendering may use. A runaway template ends in milliseconds, with an error that says which limit it met.

use crate::error::Fault;

/// The limits of one rendering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nodes executed, items visited, function calls: about 50 ns each, so this is some 20 ms.
    pub steps: u64,
    /// Bytes of all texts, lists and maps made on the way: what bounds the memory.
    pub scratch_bytes: u64,
    /// Bytes of the rendered text. Spec 2 says 1 MiB.
    pub output_bytes: usize,
    /// Templates that call templates, actions inside actions, parentheses, values inside values.
    pub depth: u32,
    /// Bytes of the template's own text: more cannot be in a manifest.
    pub template_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 200_000,
            scratch_bytes: 16 * 1024 * 1024,
            output_bytes: 1024 * 1024,
            depth: 100,
            template_bytes: 1024 * 1024,
        }
    }
}

/// What all the texts of one grant, or of one check, may take together. Each text stays within its own [`Limits`]; many
/// of them would still hold an agent up.
#[derive(Debug)]
pub(crate) struct Budget {
    steps: std::cell::Cell<u64>,
}

impl Budget {
    /// Ten texts at their limit: some 200 ms.
    pub(crate) const STEPS: u64 = 2_000_000;
    /// What a text costs whose engine does not tell its steps.
    pub(crate) const UNTOLD: u64 = 20_000;

    pub(crate) fn new() -> Self {
        Self {
            steps: std::cell::Cell::new(Self::STEPS),
        }
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.steps.get() == 0
    }

    /// The limits of the next text.
    pub(crate) fn limits(&self) -> Limits {
        let limits = Limits::default();
        Limits {
            steps: limits.steps.min(self.steps.get()),
            ..limits
        }
    }

    pub(crate) fn take(&self, steps: u64) {
        self.steps.set(self.steps.get().saturating_sub(steps));
    }
}

/// What is left of the limits while rendering.
#[derive(Debug)]
pub(crate) struct Meter {
    limits: Limits,
    steps: u64,
    scratch: u64,
}

impl Meter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            steps: 0,
            scratch: 0,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How many steps were taken.
    pub(crate) fn taken(&self) -> u64 {
        self.steps
    }

    /// One node executed, one item visited.
    pub(crate) fn step(&mut self) -> Result<(), Fault> {
        self.steps(1)
    }

    /// As many steps at once, before they are taken.
    pub(crate) fn steps(&mut self, count: usize) -> Result<(), Fault> {
        self.steps = self.steps.saturating_add(count as u64);
        if self.steps > self.limits.steps {
            return Err(Fault::new(format!(
                "the template takes more than {} steps",
                self.limits.steps
            ))
            .hinting("look for a loop over too many items, or a template that calls itself"));
        }
        Ok(())
    }

    /// To be asked before so many bytes are made.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<(), Fault> {
        self.scratch = self.scratch.saturating_add(count as u64);
        if self.scratch > self.limits.scratch_bytes {
            return Err(Fault::new(format!(
                "the template makes more than {} bytes of values",
                self.limits.scratch_bytes
            ))
            .hinting("look for repeat, indent or a list that grows in a loop"));
        }
        Ok(())
    }

    /// Whether values or calls may be nested so deep.
    pub(crate) fn depth(&self, depth: u32) -> Result<(), Fault> {
        if depth > self.limits.depth {
            return Err(Fault::new(format!(
                "the template or its values are nested more than {} deep",
                self.limits.depth
            ))
            .hinting("look for a template that calls itself, or a dict that holds itself"));
        }
        Ok(())
    }
}
