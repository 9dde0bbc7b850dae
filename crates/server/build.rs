//! Rebuilds the binary when a file is added to the web client: the embedding macro sees only files it knew before.

fn main() {
    println!("cargo::rerun-if-changed=web");
}
