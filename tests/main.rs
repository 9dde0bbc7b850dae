//! Tests of the whole, one binary with modules.
//!
//! `tidy` looks at the tree: layers, file sizes, headers. `browser` runs calls between real browsers and a server in
//! this process, `native` calls between native participants. Everything that needs only one crate is tested in that crate.

// `cfg(test)` is always set here; it tells clippy that helpers may unwrap like the tests that call them.
#[cfg(test)]
mod browser;
#[cfg(test)]
mod killable;
#[cfg(test)]
mod native;
#[cfg(test)]
mod tidy;
