//! Places in configuration files: byte ranges into the text as written. Line and column are computed when printed.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::ike::policy::SourceRef;

/// A configuration file that was read: its name as the operator gave it, and its text. Cheap to clone.
#[derive(Clone)]
pub struct SourceFile {
    inner: Arc<Inner>,
}

struct Inner {
    name: Arc<str>,
    text: String,
    hidden: Vec<Range<usize>>,
}

/// Line and column, both from 1; the column counts characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column in characters.
    pub column: u32,
}

/// A byte range in a file. Always on character boundaries and inside the text.
#[derive(Clone)]
pub struct Span {
    file: SourceFile,
    start: usize,
    end: usize,
}

/// A value and where it is written. Equality is of the values only, so that printing and parsing again gives an equal
/// tree.
#[derive(Clone)]
pub struct Spanned<T> {
    /// What is written.
    pub value: T,
    /// Where.
    pub span: Span,
}

impl SourceFile {
    /// A file of that name with that text.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<String>) -> Self {
        Self::hiding(name, text, Vec::new())
    }

    /// The same, with the octets that hold secrets: they are never shown in a finding.
    pub fn hiding(name: impl Into<Arc<str>>, text: impl Into<String>, secrets: Vec<Range<usize>>) -> Self {
        Self { inner: Arc::new(Inner { name: name.into(), text: text.into(), hidden: secrets }) }
    }

    /// The name as the operator gave it.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.inner.text
    }

    /// The span from octet `start` to before octet `end`, moved inward to character boundaries.
    pub fn span(&self, start: usize, end: usize) -> Span {
        let start = floor_boundary(self.text(), start);
        let end = floor_boundary(self.text(), end.max(start));
        Span { file: self.clone(), start, end }
    }

    /// The empty span behind the last octet.
    pub fn end(&self) -> Span {
        self.span(self.text().len(), self.text().len())
    }

    /// Whether both are the same reading of the same file.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    fn position(&self, offset: usize) -> Position {
        let before = self.text().get(..offset).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Position {
            line: count(before.matches('\n').count()).saturating_add(1),
            column: count(before[line_start..].chars().count()).saturating_add(1),
        }
    }
}

/// The last character boundary that is not behind `offset`.
pub(super) fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceFile({})", self.name())
    }
}

impl Span {
    /// The line on which it ends.
    pub fn last_line(&self) -> u32 {
        self.file.position(self.end).line
    }

    /// The file.
    pub fn file(&self) -> &SourceFile {
        &self.file
    }

    /// The first octet.
    pub fn start(&self) -> usize {
        self.start
    }

    /// The octet behind the last.
    pub fn end(&self) -> usize {
        self.end
    }

    /// The words themselves.
    pub fn text(&self) -> &str {
        self.file.text().get(self.start..self.end).unwrap_or_default()
    }

    /// Line and column of the first octet.
    pub fn position(&self) -> Position {
        self.file.position(self.start)
    }

    /// From the start of this one to the end of `other`; of another file, this one alone.
    #[must_use]
    pub fn to(&self, other: &Self) -> Self {
        if !self.file.is_same(&other.file) {
            return self.clone();
        }
        Self { file: self.file.clone(), start: self.start, end: other.end.max(self.start) }
    }

    /// The line on which the span starts, without its end of line.
    pub fn line(&self) -> &str {
        let text = self.file.text();
        let start = text[..self.start].rfind('\n').map_or(0, |at| at + 1);
        let rest = &text[start..];
        rest.split('\n').next().unwrap_or_default().trim_end_matches('\r')
    }

    /// The same line as findings show it: a star for each character of a secret.
    pub fn shown_line(&self) -> String {
        let start = self.line_start();
        let line = start..start + self.line().len();
        let hidden: Vec<_> =
            self.file.inner.hidden.iter().filter(|r| r.start < line.end && r.end > line.start).collect();
        let is_hidden = |at: usize| hidden.iter().any(|range| range.contains(&(start + at)));
        self.line().char_indices().map(|(at, c)| if is_hidden(at) { '*' } else { c }).collect()
    }

    /// The first word of it, as findings show it.
    pub fn shown_word(&self) -> String {
        let before = self.line_start();
        let shown = self.shown_line();
        let skipped = self.file.text()[before..self.start].chars().count();
        let word: String = shown.chars().skip(skipped).take(self.text().chars().count()).collect();
        word.split_whitespace().next().unwrap_or_default().to_owned()
    }

    fn line_start(&self) -> usize {
        self.file.text()[..self.start].rfind('\n').map_or(0, |at| at + 1)
    }

    /// The place for messages, with the words as written; runs of white space become one blank.
    pub fn source_ref(&self) -> SourceRef {
        let words = self.text().trim_end_matches(';').split_whitespace().collect::<Vec<_>>().join(" ");
        self.source_ref_as(words)
    }

    /// The place for messages, with `text` as the statement.
    pub fn source_ref_as(&self, text: impl Into<Arc<str>>) -> SourceRef {
        let Position { line, column } = self.position();
        SourceRef { file: self.file.inner.name.clone(), line, column, text: text.into() }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position();
        write!(f, "{}:{line}:{column}", self.file.name())
    }
}

impl<T> Spanned<T> {
    /// A value from that place.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// Another value from the same place.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: change(self.value), span: self.span }
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}

impl<T: fmt::Debug> fmt::Debug for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} @ {:?}", self.value, self.span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters() {
        let file = SourceFile::new("f", "a\n\u{e4}b c;\r\nd");
        let at = |start, end| file.span(start, end);
        assert_eq!(at(0, 1).position(), Position { line: 1, column: 1 });
        assert_eq!(at(4, 5).position(), Position { line: 2, column: 2 });
        assert_eq!(at(4, 5).text(), "b");
        assert_eq!(at(4, 5).line(), "\u{e4}b c;");
        assert_eq!(file.end().position(), Position { line: 3, column: 2 });
    }

    #[test]
    fn spans_stay_inside_the_text() {
        let file = SourceFile::new("f", "\u{e4}");
        assert_eq!(file.span(1, 900).text(), "\u{e4}");
        assert_eq!(file.span(900, 3).text(), "");
    }

    #[test]
    fn source_ref_shows_the_statement() {
        let file = SourceFile::new("racoon.conf", "\n\t dh_group\tmodp1024 ;");
        let at = file.span(3, 22).source_ref();
        assert_eq!((at.to_string().as_str(), &*at.text), ("racoon.conf:2:3", "dh_group modp1024"));
    }
}
