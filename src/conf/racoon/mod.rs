//! racoon.conf, as ipsec-tools 0.8.2 reads it.

pub mod ast;
mod grammar;
mod include;
mod lexer;
mod parser;
pub mod plainrsa;
pub mod print;
mod resolve;

pub use ast::RacoonConfig;
pub use resolve::{AdminSocket, Globals, ListenAddress, globals, resolve};

use super::diagnostic::{self, Diagnostic};
use super::environment::Environment;

/// Parses a configuration named `path` whose text is `text`, with the files it includes. There is no configuration when
/// one of the findings is an error.
pub fn load(path: &str, text: &str, env: &dyn Environment) -> (Option<RacoonConfig>, Vec<Diagnostic>) {
    let (config, mut diagnostics) = parser::parse(path, text, env);
    diagnostic::sort(&mut diagnostics);
    let config = (!diagnostic::has_errors(&diagnostics)).then_some(config);
    (config, diagnostics)
}
