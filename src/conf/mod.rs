//! Configuration: lex, parse, resolve, print; one folder a dialect. What is written becomes a tree in which every value
//! keeps its place (`ast`), and then what is meant ([`crate::ike::policy::Policy`]). Nothing here touches the system but
//! the files that a configuration names, and those only through an [`Environment`].

pub mod check;
pub mod diagnostic;
pub mod environment;
pub mod ipsecconf;
pub mod isakmpdconf;
pub mod racoon;
pub mod secrets;
pub mod setkey;
pub mod span;

pub use diagnostic::{Diagnostic, Severity};
pub use environment::{Environment, Network, NoFiles, NoNetwork, SecretFileError, SystemEnvironment};
pub use span::{Position, SourceFile, Span, Spanned};
