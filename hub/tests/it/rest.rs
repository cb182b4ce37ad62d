//! The users' side: stories over the real router and, where it matters, the real listener.

mod access_matrix;
mod bad_input;
mod bindings;
mod clusters;
mod explain;
mod headers;
mod history;
mod joining;
mod leaving;
mod listener;
mod lists;
mod manifests;
mod many;
mod old_base;
mod openapi;
mod pace;
mod restart;
mod sessions;
mod states;
mod templates;
mod texts;
mod values;
mod watching;
