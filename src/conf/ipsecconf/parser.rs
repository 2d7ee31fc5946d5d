//! Words to rules. The order of the parts of a rule is fixed, as in ipsecctl; after an error the rest of the rule is
//! skipped and reading goes on, so that all errors are seen at once.

mod ike;

use std::path::Path;
use std::rc::Rc;

use super::super::{Diagnostic, Environment, SecretFileError, SourceFile, Span, Spanned};
use super::ast::Rules;
use super::lexer::{Lexer, Macros, Token};

/// How deep files may include each other.
const MAX_DEPTH: usize = 16;
/// How many files one configuration may have.
const MAX_FILES: usize = 256;

/// The words with which a statement begins.
const STATEMENTS: [&str; 8] = ["ike", "include", "flow", "esp", "ah", "ipcomp", "ipip", "tcpmd5"];

/// Reads the rules of `text`, which is the content of the file `name`, and of the files that it includes. `defines`
/// are macros that win over those of the same name in the file.
pub fn parse(
    name: &str,
    text: &str,
    defines: &[(String, String)],
    env: &dyn Environment,
) -> Result<Rules, Vec<Diagnostic>> {
    let mut parser = Parser::new(SourceFile::new(name, text), defines, env);
    parser.file();
    if parser.diagnostics.is_empty() { Ok(parser.rules) } else { Err(parser.diagnostics) }
}

/// Refuses a rules file that others can read or change, since it may hold pre-shared keys.
pub(super) fn check_file(path: &Path, env: &dyn Environment) -> Result<(), String> {
    match env.check_secret_file(path) {
        Ok(()) | Err(SecretFileError::Owner(0)) => Ok(()),
        // The group may read it, as ipsecctl has it.
        Err(SecretFileError::Mode(mode)) if mode & 0o027 == 0 => Ok(()),
        Err(SecretFileError::Mode(mode)) => {
            Err(format!("{}: group writable or world read/writable (mode {mode:04o})", path.display()))
        }
        Err(SecretFileError::Owner(_)) => Err(format!("{}: owner not root or current user", path.display())),
        Err(other) => Err(format!("{}: {other}", path.display())),
    }
}

struct Parser<'e> {
    env: &'e dyn Environment,
    /// The file being read is last; before it those that include it.
    files: Vec<Lexer>,
    files_read: usize,
    ahead: Option<Result<Spanned<Token>, Diagnostic>>,
    macros: Macros,
    /// Names given from outside, which the file cannot change.
    fixed: Vec<String>,
    /// A string of this statement that goes over a line's end: often a missing quote.
    long_string: Option<Span>,
    rules: Rules,
    diagnostics: Vec<Diagnostic>,
}

impl<'e> Parser<'e> {
    fn new(file: SourceFile, defines: &[(String, String)], env: &'e dyn Environment) -> Self {
        Self {
            env,
            files: vec![Lexer::new(file)],
            files_read: 1,
            ahead: None,
            macros: defines.iter().map(|(n, v)| (n.clone(), Rc::from(v.as_str()))).collect(),
            fixed: defines.iter().map(|(n, _)| n.clone()).collect(),
            long_string: None,
            rules: Rules::default(),
            diagnostics: Vec::new(),
        }
    }

    fn file(&mut self) {
        loop {
            self.long_string = None;
            match self.statement() {
                Ok(true) => {}
                Ok(false) => return,
                Err(mut why) => {
                    if let (Some(string), None) = (&self.long_string, &why.help) {
                        let line = string.position().line;
                        why.help = Some(format!(
                            "the string that begins on line {line} ends here; is a quote missing?"
                        ));
                    }
                    self.diagnostics.push(why);
                    self.skip_line();
                }
            }
        }
    }

    /// Reads one statement; `false` at the end of everything.
    fn statement(&mut self) -> Result<bool, Diagnostic> {
        let first = self.next()?;
        let word = match first.value {
            Token::End => {
                self.files.pop();
                return Ok(!self.files.is_empty());
            }
            Token::Newline => return Ok(true),
            Token::Word(word) => word,
            Token::Quoted(_) | Token::Mark(_) => return Err(unexpected(&first, &STATEMENTS)),
        };
        match word.as_str() {
            "ike" => {
                let rule = self.ike_rule(first.span)?;
                self.rules.ike.push(rule);
            }
            "include" => self.include(&first.span)?,
            other if STATEMENTS.contains(&other) => return Err(self.missing(&first.span, other)),
            _ if self.is_next(&Token::Mark('=')) => self.define(Spanned::new(word, first.span))?,
            _ => {
                let message = format!("unknown statement `{word}`");
                return Err(Diagnostic::error(&first.span, message).with_known_words(&word, &STATEMENTS));
            }
        }
        Ok(true)
    }

    /// The refusal of a part of the grammar that we do not act on.
    fn missing(&self, span: &Span, word: &str) -> Diagnostic {
        let what = if STATEMENTS.contains(&word) { "rules are" } else { "is" };
        Diagnostic::error(span, format!("`{word}` {what} not implemented yet"))
    }

    /// `NAME = "value"`: several strings make one, with blanks between.
    fn define(&mut self, name: Spanned<String>) -> Result<(), Diagnostic> {
        self.next()?;
        let mut value = vec![self.string("a value")?.value];
        while let Some(more) = self.string_if_any()? {
            value.push(more.value);
        }
        self.end_of_line()?;
        if !name.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let message = format!("`{}` is no name for a macro", name.value);
            return Err(Diagnostic::error(&name.span, message)
                .with_help("a name has letters, digits and underscores only"));
        }
        if self.fixed.contains(&name.value) {
            return Ok(());
        }
        let value = value.join(" ");
        self.rules.macros.retain(|(other, _)| *other != name.value);
        self.rules.macros.push((name.value.clone(), value.clone()));
        self.macros.insert(name.value, Rc::from(value));
        Ok(())
    }

    /// `include "FILE"`.
    fn include(&mut self, at: &Span) -> Result<(), Diagnostic> {
        let name = self.string("the name of a file")?;
        self.end_of_line()?;
        if !self.env.is_open() {
            return Ok(());
        }
        let failed = |why: String| Diagnostic::error(&name.span, why);
        if self.files.len() >= MAX_DEPTH || self.files_read >= MAX_FILES {
            return Err(Diagnostic::error(at, "too many files include each other"));
        }
        let path = Path::new(&name.value);
        let octets = self
            .env
            .read_file(path)
            .map_err(|e| failed(format!("failed to include file {}: {e}", name.value)))?;
        check_file(path, self.env).map_err(failed)?;
        let text = String::from_utf8(octets).map_err(|e| {
            failed(format!("{}: octet {} is not UTF-8", name.value, e.utf8_error().valid_up_to()))
        })?;
        if self.is_next(&Token::End) {
            // It is read again when the included file has ended.
            self.ahead = None;
        }
        self.files.push(Lexer::new(SourceFile::new(name.value.as_str(), text)));
        self.files_read += 1;
        Ok(())
    }

    fn skip_line(&mut self) {
        // Every error of the lexer ends at a line's end, so this does.
        loop {
            match self.peek() {
                Ok(Spanned { value: Token::Newline | Token::End, .. }) => return,
                Ok(_) | Err(_) => self.ahead = None,
            }
        }
    }

    fn peek(&mut self) -> Result<&Spanned<Token>, Diagnostic> {
        if self.ahead.is_none() {
            let lexer = self.files.last_mut().expect("a file is open until its end was read");
            let token = lexer.next(&self.macros);
            if let Ok(Spanned { value: Token::Quoted(_), span }) = &token
                && span.text().contains('\n')
            {
                self.long_string = Some(span.clone());
            }
            self.ahead = Some(token);
        }
        match self.ahead.as_ref().expect("filled above") {
            Ok(token) => Ok(token),
            Err(why) => Err(why.clone()),
        }
    }

    fn next(&mut self) -> Result<Spanned<Token>, Diagnostic> {
        let token = self.peek().cloned();
        self.ahead = None;
        token
    }

    fn is_next(&mut self, token: &Token) -> bool {
        self.peek().is_ok_and(|next| next.value == *token)
    }

    /// Takes the keyword if it comes next.
    fn keyword(&mut self, word: &str) -> Option<Span> {
        let span = match self.peek() {
            Ok(Spanned { value: Token::Word(next), span }) if next == word => span.clone(),
            _ => return None,
        };
        self.ahead = None;
        Some(span)
    }

    /// Takes whichever of the keywords comes next.
    fn one_of<T: Clone>(&mut self, words: &[(&str, T)]) -> Option<Spanned<T>> {
        words.iter().find_map(|(word, value)| Some(Spanned::new(value.clone(), self.keyword(word)?)))
    }

    /// A bare word or a quoted string.
    fn string(&mut self, what: &str) -> Result<Spanned<String>, Diagnostic> {
        match self.string_if_any()? {
            Some(string) => Ok(string),
            None => {
                let next = self.peek()?.clone();
                Err(Diagnostic::error(&next.span, format!("expected {what}, not {}", describe(&next.value))))
            }
        }
    }

    fn string_if_any(&mut self) -> Result<Option<Spanned<String>>, Diagnostic> {
        match self.peek()?.clone() {
            Spanned { value: Token::Word(word), .. } if ike::is_keyword(&word) => Ok(None),
            Spanned { value: Token::Word(text) | Token::Quoted(text), span } => {
                self.ahead = None;
                Ok(Some(Spanned::new(text, span)))
            }
            _ => Ok(None),
        }
    }

    fn end_of_line(&mut self) -> Result<(), Diagnostic> {
        let next = self.peek()?.clone();
        match next.value {
            Token::Newline | Token::End => Ok(()),
            other => {
                let message = format!("unexpected {} at the end of the statement", describe(&other));
                Err(Diagnostic::error(&next.span, message))
            }
        }
    }
}

fn describe(token: &Token) -> String {
    match token {
        Token::Word(word) => format!("`{word}`"),
        Token::Quoted(_) => "a quoted string".to_owned(),
        Token::Mark(c) => format!("`{c}`"),
        Token::Newline => "the end of the line".to_owned(),
        Token::End => "the end of the file".to_owned(),
    }
}

fn unexpected(token: &Spanned<Token>, known: &[&str]) -> Diagnostic {
    let error = Diagnostic::error(&token.span, format!("unexpected {}", describe(&token.value)));
    match &token.value {
        Token::Word(word) => error.with_known_words(word, known),
        _ => error.with_help(format!("known here: {}", known.join(", "))),
    }
}
