//! Calls between real browsers (headless Chromium) and a server in this process, over loopback.
//!
//! What is asserted is what a browser decoded, as its own statistics say, never what the server believes it sent.
//! Only one page of a test has a camera at 1280x720: encoding it takes half a core. Every wait is a condition with a
//! deadline; nothing sleeps for a fixed time and hopes.
//!
//! Driven by WebDriver through `fantoccini`: it speaks HTTP with the hyper that the server uses anyway, and switches on
//! no features of crates that the product has too.

mod abuse;
mod accessibility;
mod call;
mod codecs;
mod coming_and_going;
mod crowd;
mod demand;
mod detour;
mod direct;
mod driver;
mod embedding;
mod firefox;
mod layers;
mod operator;
mod page;
mod pictures;
mod restart;
mod scenery;
mod shaping;
mod sound;
mod together;
mod wire;
