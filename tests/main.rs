//! Tests of the whole, one binary with modules.
//!
//! `tidy` looks at the tree: layers, file sizes, headers. Everything that needs only one crate is tested in that crate.

// `cfg(test)` is always set here; it tells clippy that helpers may unwrap like the tests that call them.
#[cfg(test)]
mod tidy;
