//! OpenBSD's ipsec.conf: `ike` rules, macros, lists and includes; what else the grammar has is refused by name.
//!
//! A rule without `dstid` accepts every identity that the peer proves, by the pre-shared key or by a certificate of an
//! authority in `ca/`, as isakmpd does: the peer of the usual setup names itself by its certificate's subject, which
//! the file does not hold. `dstid` narrows it to one.

mod algorithms;
pub mod ast;
mod lexer;
mod names;
pub mod parser;
pub mod print;
pub mod resolve;

use std::path::Path;

pub use ast::Rules;
pub use parser::parse;
pub use print::{Secrets, print};
pub use resolve::{Resolved, resolve};

use super::{Diagnostic, Environment};

/// Reads a rules file whose text is already there: checks who may read and change it, then parses it.
pub fn load(path: &Path, text: &str, env: &dyn Environment) -> Result<Rules, Vec<Diagnostic>> {
    load_with(path, text, &[], env)
}

/// The same with macros from outside, which win over those of the same name in the file.
pub fn load_with(
    path: &Path,
    text: &str,
    defines: &[(String, String)],
    env: &dyn Environment,
) -> Result<Rules, Vec<Diagnostic>> {
    if env.is_open() {
        parser::check_file(path, env).map_err(|why| vec![Diagnostic::general(why)])?;
    }
    parse(&path.display().to_string(), text, defines, env)
}
