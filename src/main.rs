//! The binary. Everything is in the library; `cli` reads the arguments.

use std::process::ExitCode;

fn main() -> ExitCode {
    hubwarden::cli::main()
}
