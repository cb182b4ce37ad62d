//! Globs and label selectors over names. The only file that names globset.
