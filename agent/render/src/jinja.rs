//! The Jinja dialect, by minijinja.
