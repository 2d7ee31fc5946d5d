//! `racoon`: the program with its flags and files, and the whole log of two of them, line by line.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

mod log;
mod program;
mod world;
