//! The `hubbub` program.

use std::process::ExitCode;

// Connections are many small objects of a few sizes; this allocator keeps them close together.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hubbub::cli::run()
}
