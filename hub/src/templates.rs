//! The templates folder (D22).

pub mod refusals;
