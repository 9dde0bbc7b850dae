//! Tests of the numbers of a slot.
