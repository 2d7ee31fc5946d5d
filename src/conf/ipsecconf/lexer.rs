//! Characters to words, as ipsecctl reads them: `\` joins lines, `#` begins a comment, a newline ends a rule, `$NAME`
//! is read as if its value stood there.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::{Diagnostic, SourceFile, Span, Spanned};

/// The longest word or quoted string, as in ipsecctl.
const MAX_WORD: usize = 8096;
/// How many characters all expansions of macros together may have.
const MAX_EXPANDED: usize = 1 << 20;

/// One word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token {
    /// A bare word; it may be a keyword.
    Word(String),
    /// A string in quotes; never a keyword.
    Quoted(String),
    /// One of the characters that stand alone.
    Mark(char),
    /// The end of a line that is not continued, or of a file.
    Newline,
    /// The end of everything.
    End,
}

/// The values of the macros.
pub(super) type Macros = BTreeMap<String, Rc<str>>;

/// Reads one file and the values of macros.
pub(super) struct Lexer {
    file: SourceFile,
    at: usize,
    expansion: Option<Expansion>,
    expanded: usize,
}

/// The value of a macro that is being read.
struct Expansion {
    value: Rc<str>,
    at: usize,
    /// Where `$NAME` stands.
    used: Span,
}

impl Lexer {
    pub(super) fn new(file: SourceFile) -> Self {
        Self { file, at: 0, expansion: None, expanded: 0 }
    }

    /// The next word. After an error the rest of the line is skipped.
    pub(super) fn next(&mut self, macros: &Macros) -> Result<Spanned<Token>, Diagnostic> {
        let token = self.token(macros);
        if token.is_err() {
            self.expansion = None;
            while self.peek().is_some_and(|c| c != '\n') {
                self.bump();
            }
        }
        token
    }

    fn token(&mut self, macros: &Macros) -> Result<Spanned<Token>, Diagnostic> {
        loop {
            self.skip_blanks();
            let start = self.here();
            let Some(c) = self.peek() else {
                return Ok(Spanned::new(Token::End, self.file.end()));
            };
            self.bump();
            let token = match c {
                '\n' => Token::Newline,
                '"' | '\'' => Token::Quoted(self.quoted(c, &start)?),
                '$' if self.expansion.is_none() => {
                    self.expand(&start, macros)?;
                    continue;
                }
                c if is_word(c) => Token::Word(self.word(c, &start)?),
                c if c.is_control() || !c.is_ascii() => {
                    let name = c.escape_default();
                    return Err(Diagnostic::error(&start, format!("character `{name}` outside quotes")));
                }
                c => Token::Mark(c),
            };
            let span = start.to(&self.last());
            return Ok(Spanned::new(token, span));
        }
    }

    /// Blanks, comments, and line ends behind a `\`.
    fn skip_blanks(&mut self) {
        let mut in_comment = false;
        while let Some(c) = self.peek() {
            match c {
                '\\' if self.continues() => {
                    self.bump();
                    self.bump();
                    continue;
                }
                '\n' => return,
                '#' => in_comment = true,
                ' ' | '\t' | '\r' => {}
                _ if in_comment => {}
                _ => return,
            }
            self.bump();
        }
    }

    fn word(&mut self, first: char, start: &Span) -> Result<String, Diagnostic> {
        let mut word = String::from(first);
        while let Some(c) = self.peek() {
            if c == '\\' && self.continues() {
                self.bump();
                self.bump();
                continue;
            }
            if !is_word(c) {
                break;
            }
            word.push(c);
            self.bump();
            if word.len() > MAX_WORD {
                return Err(Diagnostic::error(start, "word too long"));
            }
        }
        Ok(word)
    }

    /// The rest of a quoted string. A newline inside is not part of it; `\` takes the quote or a blank literally.
    fn quoted(&mut self, quote: char, start: &Span) -> Result<String, Diagnostic> {
        let mut string = String::new();
        loop {
            let Some(c) = self.peek() else {
                let end = "reached end of file while parsing quoted string";
                return Err(
                    Diagnostic::error(start, end).with_help("the string begins here; end it with a quote")
                );
            };
            self.bump();
            match c {
                '\n' => {}
                '\\' => match self.peek() {
                    Some(next) if next == quote || next == ' ' || next == '\t' => {
                        string.push(next);
                        self.bump();
                    }
                    Some('\n') => self.bump(),
                    _ => string.push('\\'),
                },
                c if c == quote => return Ok(string),
                c => string.push(c),
            }
            if string.len() > MAX_WORD {
                return Err(Diagnostic::error(start, "quoted string too long"));
            }
        }
    }

    /// Begins to read the value of the macro whose name follows.
    fn expand(&mut self, start: &Span, macros: &Macros) -> Result<(), Diagnostic> {
        let mut name = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
            self.bump();
        }
        let used = start.to(&self.last());
        let Some(value) = macros.get(&name) else {
            let names: Vec<&str> = macros.keys().map(String::as_str).collect();
            return Err(Diagnostic::error(&used, format!("macro '{name}' not defined"))
                .with_known_words(&name, &names));
        };
        self.expanded += value.len();
        if self.expanded > MAX_EXPANDED {
            return Err(Diagnostic::error(&used, "the macros of this file expand to too much text"));
        }
        self.expansion = Some(Expansion { value: Rc::clone(value), at: 0, used });
        Ok(())
    }

    fn peek(&self) -> Option<char> {
        let expanded = self.expansion.as_ref().and_then(|e| e.value.get(e.at..)?.chars().next());
        expanded.or_else(|| self.file.text().get(self.at..)?.chars().next())
    }

    /// Whether the `\` that comes next stands before the end of its line.
    fn continues(&self) -> bool {
        let in_macro = self.expansion.as_ref().is_some_and(|e| e.at < e.value.len());
        !in_macro && self.file.text().get(self.at + 1..).is_some_and(|rest| rest.starts_with('\n'))
    }

    fn bump(&mut self) {
        let Some(c) = self.peek() else { return };
        match &mut self.expansion {
            Some(e) if e.at < e.value.len() => e.at += c.len_utf8(),
            _ => {
                self.expansion = None;
                self.at += c.len_utf8();
            }
        }
    }

    /// The place of the next character: in the value of a macro, where the macro is used.
    fn here(&self) -> Span {
        match &self.expansion {
            Some(e) if e.at < e.value.len() => e.used.clone(),
            _ => self.file.span(self.at, self.at + self.peek().map_or(0, char::len_utf8)),
        }
    }

    /// The place of the character that was read last.
    fn last(&self) -> Span {
        match &self.expansion {
            Some(e) if e.at > 0 => e.used.clone(),
            _ => self.file.span(self.at.saturating_sub(1), self.at),
        }
    }
}

/// Whether the character is part of a bare word.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || (c.is_ascii_punctuation() && !"(){}<>!=/#,\"'$\\".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str, macros: &[(&str, &str)]) -> Result<Vec<Token>, String> {
        let macros = macros.iter().map(|(n, v)| ((*n).to_owned(), Rc::from(*v))).collect();
        let mut lexer = Lexer::new(SourceFile::new("f", text));
        let mut all = Vec::new();
        loop {
            match lexer.next(&macros).map_err(|d| d.message)?.value {
                Token::End => return Ok(all),
                token => all.push(token),
            }
        }
    }

    fn word(w: &str) -> Token {
        Token::Word(w.into())
    }

    #[test]
    fn splits_as_ipsecctl_does() {
        let slash = Token::Mark('/');
        assert_eq!(tokens("10.0.0.0/24", &[]), Ok(vec![word("10.0.0.0"), slash.clone(), word("24")]));
        assert_eq!(tokens("3ffe:2::/24", &[]), Ok(vec![word("3ffe:2::"), slash, word("24")]));
        assert_eq!(tokens("a \\\n b # c \n", &[]), Ok(vec![word("a"), word("b"), Token::Newline]));
        assert_eq!(tokens("'it''s'", &[]), Ok(vec![Token::Quoted("it".into()), Token::Quoted("s".into())]));
        assert_eq!(tokens("\"a\\\" b\nc\"", &[]), Ok(vec![Token::Quoted("a\" bc".into())]));
    }

    #[test]
    fn a_comment_may_be_continued() {
        assert_eq!(tokens("# a \\\n b\nc", &[]), Ok(vec![Token::Newline, word("c")]));
    }

    #[test]
    fn macros_are_read_in_place() {
        let list = tokens("to $N", &[("N", "{ a, b }")]).expect("tokens");
        let mark = Token::Mark;
        assert_eq!(list, [word("to"), mark('{'), word("a"), mark(','), word("b"), mark('}')]);
        assert_eq!(tokens("$N.5", &[("N", "10.0.0")]), Ok(vec![word("10.0.0.5")]));
        assert_eq!(tokens("\"$N\"", &[("N", "x")]), Ok(vec![Token::Quoted("$N".into())]));
        assert_eq!(tokens("$M", &[("N", "x")]), Err("macro 'M' not defined".into()));
    }

    #[test]
    fn a_string_without_end_is_told_where_it_begins() {
        let found = tokens("a \"b\nc", &[]);
        assert_eq!(found, Err("reached end of file while parsing quoted string".into()));
    }
}
