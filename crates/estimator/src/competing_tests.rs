//! Situations of this module.
