//! The `holdfast` program; everything is in the library.

/// Half of a run with nothing to do was the pages of two large JSON trees, one fault each.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    holdfast::cli::main()
}
