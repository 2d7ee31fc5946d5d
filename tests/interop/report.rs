//! Results as they come, in the form of Rust's own test runner, since every case is a test of its own.

use std::sync::Mutex;

use crate::Outcome;

/// What was asked for on the command line.
pub(crate) struct Filter {
    words: Vec<String>,
    /// Only print the names.
    pub(crate) list: bool,
}

impl Filter {
    /// Reads the arguments that `cargo test` passes on; flags of Rust's own runner mean nothing here.
    pub(crate) fn from_arguments() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let list = arguments.iter().any(|a| a == "--list");
        Self { words: arguments.into_iter().filter(|a| !a.starts_with('-')).collect(), list }
    }

    /// Whether a test of that name is asked for.
    pub(crate) fn takes(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|w| name.contains(w.as_str()))
    }

    /// Whether everything is asked for.
    pub(crate) fn is_open(&self) -> bool {
        self.words.is_empty()
    }
}

/// Names and results.
#[derive(Default)]
pub(crate) struct Report {
    done: Mutex<Vec<(String, bool)>>,
}

impl Report {
    /// Notes and prints one result.
    pub(crate) fn add(&self, name: &str, outcome: Outcome<()>) {
        match &outcome {
            Ok(()) => println!("test {name} ... ok"),
            Err(why) => println!("test {name} ... FAILED\n    {why}"),
        }
        self.note(name, outcome.is_ok());
    }

    /// Notes a result that has been printed.
    pub(crate) fn note(&self, name: &str, passed: bool) {
        self.done.lock().expect("nobody panics while adding").push((name.to_owned(), passed));
    }

    /// The names that passed.
    pub(crate) fn passed(&self) -> Vec<String> {
        let done = self.done.lock().expect("nobody panics while adding");
        done.iter().filter(|(_, ok)| *ok).map(|(name, _)| name.clone()).collect()
    }

    /// Prints the closing line; true if nothing failed.
    pub(crate) fn close(&self) -> bool {
        let done = self.done.lock().expect("nobody panics while adding");
        let failed: Vec<&str> = done.iter().filter(|(_, ok)| !ok).map(|(name, _)| name.as_str()).collect();
        if !failed.is_empty() {
            println!("\nfailures:\n    {}", failed.join("\n    "));
        }
        let word = if failed.is_empty() { "ok" } else { "FAILED" };
        let passed = done.len() - failed.len();
        println!(
            "\ntest result: {word}. {passed} passed; {} failed; 0 ignored; 0 measured; 0 filtered out\n",
            failed.len()
        );
        failed.is_empty()
    }
}
