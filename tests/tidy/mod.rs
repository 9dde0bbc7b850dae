//! What the compiler does not guard: the arrows between crates, what each layer may not know, size and shape of files.
//!
//! A rule that fails names the file, the line and the reason; an exception that no longer applies fails as well.

mod book;
mod checklist;
mod layers;
mod sources;
mod tree;
mod web;
