//! The input of setkey: policies and SAs, in the syntax of ipsec-tools and of FreeBSD.

pub mod ast;
mod lexer;
mod names;
mod parser;
pub mod print;
mod resolve;
mod steps;
mod tables;

pub use ast::SetkeyConfig;
pub use resolve::{Resolved, resolve};
pub use steps::{NumberedStep, Step, steps};

use super::diagnostic::{self, Diagnostic};
use super::environment::Environment;

/// Parses a file named `path` whose text is `text`. There is no configuration when one of the findings is an error.
///
/// Of the environment only the files with the names of protocols and services are asked for.
pub fn load(path: &str, text: &str, env: &dyn Environment) -> (Option<SetkeyConfig>, Vec<Diagnostic>) {
    let (config, mut diagnostics) = parser::parse(path, text, env);
    diagnostic::sort(&mut diagnostics);
    let config = (!diagnostic::has_errors(&diagnostics)).then_some(config);
    (config, diagnostics)
}
