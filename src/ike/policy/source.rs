//! Where something is written.

use std::fmt;
use std::sync::Arc;

/// A place in a configuration file and the words that stand there.
///
/// Two of them always compare equal: where a thing is written is not part of what it means, so that a reload which
/// only moves lines changes nothing.
#[derive(Clone, Debug)]
pub struct SourceRef {
    /// The file as the operator named it.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The statement as written or as its dialect would write it, e.g. `dh_group modp1024`.
    pub text: Arc<str>,
}

impl SourceRef {
    /// A place.
    pub fn new(file: impl Into<Arc<str>>, line: u32, column: u32, text: impl Into<Arc<str>>) -> Self {
        Self { file: file.into(), line, column, text: text.into() }
    }

    /// A value that no file gives.
    pub fn built_in(text: impl Into<Arc<str>>) -> Self {
        Self::new("(default)", 0, 0, text)
    }
}

impl PartialEq for SourceRef {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for SourceRef {}

impl fmt::Display for SourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            f.write_str(&self.file)
        } else {
            write!(f, "{}:{}:{}", self.file, self.line, self.column)
        }
    }
}

/// A value and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced<T> {
    /// What it means.
    pub value: T,
    /// Where it stands.
    pub at: SourceRef,
}

impl<T> Sourced<T> {
    /// A value from that place.
    pub const fn new(value: T, at: SourceRef) -> Self {
        Self { value, at }
    }
}
