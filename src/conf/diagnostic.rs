//! What is wrong with a configuration, and how to mend it.

use std::fmt;

use super::span::Span;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can, but what this is about does not work until the operator acts.
    Fault,
    /// It can, but the operator should look.
    Warning,
}

/// One finding. `Display` renders `file:line:col: error: message`, the line, a caret line and the help.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// Where; `None` when it is about the whole.
    pub span: Option<Span>,
    /// What is wrong, lower case without final stop.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error | Self::Fault => "error",
            Self::Warning => "warning",
        })
    }
}

impl Diagnostic {
    /// An error at that place.
    pub fn error(span: &Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, span: Some(span.clone()), message: message.into(), help: None }
    }

    /// A fault at that place.
    pub fn fault(span: &Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Fault, ..Self::error(span, message) }
    }

    /// A warning at that place.
    pub fn warning(span: &Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, message) }
    }

    /// An error of the whole configuration.
    pub fn general(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, span: None, message: message.into(), help: None }
    }

    /// The same with a line of advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, advising the one of `known` that looks most like `word`, else naming all of them.
    #[must_use]
    pub fn with_known_words(self, word: &str, known: &[&str]) -> Self {
        let nearest = known.iter().map(|k| (distance(word, k), *k)).min();
        match nearest {
            Some((far, best)) if far <= best.len().div_ceil(3) => {
                self.with_help(format!("did you mean `{best}`?"))
            }
            _ if known.is_empty() => self,
            _ => self.with_help(format!("known here: {}", known.join(", "))),
        }
    }

    /// Whether it makes the configuration unusable.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(span) = &self.span else {
            write!(f, "{}: {}", self.severity, self.message)?;
            return self.help.iter().try_for_each(|help| write!(f, "\n  help: {help}"));
        };
        let at = span.position();
        let (file, severity, message) = (span.file().name(), self.severity, &self.message);
        write!(f, "{file}:{}:{}: {severity}: {message}", at.line, at.column)?;
        let (line, carets) = excerpt(span, at.column);
        write!(f, "\n  {line}\n  {carets}")?;
        self.help.iter().try_for_each(|help| write!(f, "\n  help: {help}"))
    }
}

/// The line with tabs as they are (the caret line repeats them) and other control characters made harmless.
fn show_line(line: &str) -> String {
    let harmless = |c: char| if c.is_control() && c != '\t' { '\u{fffd}' } else { c };
    hide_secret(line).chars().map(harmless).collect()
}

/// Stars for what follows the word `psk` of OpenBSD's ipsec.conf, one a character so that the caret line fits: findings
/// are logged.
fn hide_secret(line: &str) -> String {
    let is_word = |at: usize| {
        let before = line[..at].chars().next_back().is_none_or(char::is_whitespace);
        let after = line[at + 3..].chars().next().is_none_or(|c| c.is_whitespace() || c == '"');
        before && after
    };
    let Some((at, _)) = line.match_indices("psk").find(|(at, _)| is_word(*at)) else {
        return line.to_owned();
    };
    let (shown, hidden) = line.split_at(at + 3);
    let star = |c: char| if c.is_whitespace() { c } else { '*' };
    shown.chars().chain(hidden.chars().map(star)).collect()
}

/// Characters of a line that are shown. More would hide the finding.
const MAX_SHOWN: usize = 240;
/// Of them so many before the place that is meant.
const MAX_BEFORE: usize = 80;

/// The line and the carets under what is meant; of a very long line the part around it.
fn excerpt(span: &Span, column: u32) -> (String, String) {
    let line: Vec<char> = show_line(&span.shown_line()).chars().collect();
    let before = (column.saturating_sub(1) as usize).min(line.len());
    let start = before.saturating_sub(MAX_BEFORE).min(line.len().saturating_sub(MAX_SHOWN));
    let end = (start + MAX_SHOWN).min(line.len());
    let head = if start > 0 { ".. " } else { "" };
    let tail = if end < line.len() { " .." } else { "" };
    let blank = |c: &char| if *c == '\t' { '\t' } else { ' ' };
    let indent: String = head.chars().map(|_| ' ').chain(line[start..before].iter().map(blank)).collect();
    let width = span.text().chars().take(MAX_SHOWN).count().clamp(1, (end - before).max(1));
    let shown: String = line[start..end].iter().collect();
    (format!("{head}{shown}{tail}"), format!("{indent}{}", "^".repeat(width)))
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > 64 {
        return usize::MAX;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Whether one of them makes the configuration unusable.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(Diagnostic::is_error)
}

/// Sorts by place: files in the order in which they first appear, then from top to bottom; what has no place comes
/// last. Repetitions of the same finding are dropped.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    let mut names: Vec<String> = Vec::new();
    for name in diagnostics.iter().filter_map(|d| d.span.as_ref()).map(|s| s.file().name()) {
        if !names.iter().any(|n| n == name) {
            names.push(name.to_owned());
        }
    }
    diagnostics.sort_by_key(|d| match &d.span {
        Some(s) => (names.iter().position(|n| n == s.file().name()), s.start(), d.severity),
        None => (Some(usize::MAX), 0, d.severity),
    });
    diagnostics.dedup_by(|a, b| {
        let place =
            |d: &Diagnostic| d.span.as_ref().map(|s| (s.file().name().to_owned(), s.start(), s.end()));
        a.severity == b.severity && a.message == b.message && place(a) == place(b)
    });
}

/// All of them as text, in order of place, each ending in a newline.
pub fn render(diagnostics: &[Diagnostic]) -> String {
    let mut sorted = diagnostics.to_vec();
    sort(&mut sorted);
    sorted.iter().map(|d| format!("{d}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::span::SourceFile;
    use super::*;

    #[test]
    fn renders_place_line_caret_and_help() {
        let file = SourceFile::new("racoon.conf", "remote anonymous {\n\tdh_grup modp1024;\n}\n");
        let shown = Diagnostic::error(&file.span(20, 27), "unknown statement `dh_grup`")
            .with_known_words("dh_grup", &["dh_group", "passive"])
            .to_string();
        assert_eq!(
            shown,
            "racoon.conf:2:2: error: unknown statement `dh_grup`\n  \tdh_grup modp1024;\n  \t^^^^^^^\n  \
             help: did you mean `dh_group`?"
        );
    }

    #[test]
    fn pre_shared_keys_are_not_shown() {
        let file = SourceFile::new("f", "my_psk = \"a\"\nto 10.0.0.1 psk \"two words\" x");
        let shown = Diagnostic::error(&file.span(36, 37), "unexpected `x`").to_string();
        assert!(shown.contains("\n  to 10.0.0.1 psk **** ****** *\n"), "{shown}");
    }

    #[test]
    fn carets_end_with_the_line() {
        let file = SourceFile::new("f", "ab cd\nef");
        let shown = Diagnostic::warning(&file.span(3, 8), "x").to_string();
        assert_eq!(shown, "f:1:4: warning: x\n  ab cd\n     ^^");
        assert_eq!(Diagnostic::error(&file.end(), "y").to_string(), "f:2:3: error: y\n  ef\n    ^");
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let text = format!("{} here {}", "a".repeat(1000), "b".repeat(1000));
        let file = SourceFile::new("f", text);
        let shown = Diagnostic::error(&file.span(1001, 1005), "x").to_string();
        let expected = format!(
            "f:1:1002: error: x\n  .. {} here {} ..\n  {}^^^^",
            "a".repeat(79),
            "b".repeat(155),
            " ".repeat(83)
        );
        assert_eq!(shown, expected);
        let whole = Diagnostic::error(&file.span(0, 1000), "y").to_string();
        assert_eq!(whole, format!("f:1:1: error: y\n  {} ..\n  {}", "a".repeat(240), "^".repeat(240)));
    }

    #[test]
    fn sorts_by_place() {
        let file = SourceFile::new("f", "abc");
        let all = [
            Diagnostic::general("last"),
            Diagnostic::error(&file.span(2, 3), "second"),
            Diagnostic::error(&file.span(0, 1), "first"),
        ];
        let text = render(&all);
        let at = |word| text.find(word).expect("the word is there");
        assert!(at("first") < at("second") && at("second") < at("last"));
    }
}
