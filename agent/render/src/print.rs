//! How Go's fmt writes values.
