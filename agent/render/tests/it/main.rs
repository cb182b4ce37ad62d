//! The engine against Go: the corpus, byte for byte.

// What is read here is committed beside it: a panic is the report.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod corpus;
#[path = "../shared/corpus.rs"]
mod corpus_files;
mod documents;
#[path = "../shared/engine.rs"]
mod engine;
mod sample;
mod values;
