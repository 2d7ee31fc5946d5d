//! The input of setkey: policies and SAs, in the syntax of ipsec-tools and of FreeBSD.

pub mod ast;
mod lexer;
mod parser;
pub mod print;
mod resolve;
mod tables;

pub use ast::SetkeyConfig;
pub use resolve::{Resolved, Step, resolve, steps};

use super::diagnostic::{self, Diagnostic};
use super::environment::Environment;

/// Parses a file named `path` whose text is `text`. There is no configuration when one of the findings is an error.
///
/// Nothing is looked up yet, so the environment is not asked; it is here as in every front.
pub fn load(path: &str, text: &str, _env: &dyn Environment) -> (Option<SetkeyConfig>, Vec<Diagnostic>) {
    let (config, mut diagnostics) = parser::parse(path, text);
    diagnostic::sort(&mut diagnostics);
    let config = (!diagnostic::has_errors(&diagnostics)).then_some(config);
    (config, diagnostics)
}
