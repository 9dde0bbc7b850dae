//! The binary `terrace`: hands the arguments to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::run()
}
