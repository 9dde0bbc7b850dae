//! Feedback as tables, as round trips, and as noise.
