//! Asked × template × pod template × cluster × caller → a resolved session, or every violated rule by name.

pub(crate) mod defaults;
