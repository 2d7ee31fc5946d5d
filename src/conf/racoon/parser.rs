//! Tokens to tree, driven by the tables of `grammar`. After an error it goes on behind the statement, so that all errors
//! of a file are found at once.

mod arguments;
mod blocks;

use std::cell::RefCell;
use std::path::Path;

use super::ast::{Item, RacoonConfig, Setting};
use super::grammar::{self, Rule, Shape, State};
use super::lexer::{self, Kind, Token};
use crate::conf::diagnostic::{Diagnostic, Severity};
use crate::conf::environment::Environment;
use crate::conf::secrets;
use crate::conf::span::{SourceFile, Span, Spanned};

/// A diagnostic was recorded; the statement is given up. Boxed diagnostics travel up to where it can be skipped.
type Parsed<T> = Result<T, Box<Diagnostic>>;

/// How deep files may include each other.
const MAX_INCLUDE_DEPTH: usize = 8;

/// How many files one configuration may include.
const MAX_INCLUDED_FILES: usize = 256;

/// Parses a whole configuration with what it includes.
pub(super) fn parse(name: &str, text: &str, env: &dyn Environment) -> (RacoonConfig, Vec<Diagnostic>) {
    let file = SourceFile::hiding(name, text, secrets::racoon_secrets(text));
    let span = Spanned::new((), file.span(0, 0));
    let mut run = Run { env, diagnostics: Vec::new(), items: Vec::new(), included: 0, base: None };
    run.file(file, 0);
    (RacoonConfig { items: run.items, span }, run.diagnostics)
}

/// All files of one configuration.
struct Run<'e> {
    env: &'e dyn Environment,
    diagnostics: Vec<Diagnostic>,
    items: Vec<Item>,
    included: usize,
    /// `path include`.
    base: Option<String>,
}

impl Run<'_> {
    fn file(&mut self, file: SourceFile, depth: usize) {
        let mut parser =
            Parser { file, at: 0, state: State::Top, diagnostics: Vec::new(), seen: RefCell::new(None) };
        while let Some(item) = parser.item() {
            match item {
                Item::Setting(setting) if setting.name.value == "include" && self.env.is_open() => {
                    self.diagnostics.append(&mut parser.diagnostics);
                    self.include(&setting, &parser.file, depth);
                }
                Item::Setting(setting) => {
                    if setting.name.value == "path" && setting.word() == Some("include") {
                        self.base = setting.text().map(str::to_owned);
                    }
                    self.items.push(Item::Setting(setting));
                }
                other => self.items.push(other),
            }
        }
        self.diagnostics.append(&mut parser.diagnostics);
    }

    fn include(&mut self, setting: &Setting, from: &SourceFile, depth: usize) {
        let fail = |message: String| Diagnostic::error(&setting.span, message);
        if depth >= MAX_INCLUDE_DEPTH || self.included >= MAX_INCLUDED_FILES {
            self.diagnostics.push(fail("too many files include each other".into()));
            return;
        }
        let pattern = setting.text().unwrap_or_default();
        let folder = Path::new(from.name()).parent().unwrap_or_else(|| Path::new(""));
        let pattern = super::include::expand_home(self.env, pattern);
        let full = self.base.as_ref().map_or(folder, Path::new).join(pattern);
        let found = match super::include::expand(self.env, &full) {
            Ok(found) => found,
            Err(why) => {
                self.diagnostics.push(fail(format!("cannot include `{}`: {why}", full.display())));
                return;
            }
        };
        for path in found {
            self.included += 1;
            match self.env.read_file(&path) {
                Ok(octets) => {
                    let text = String::from_utf8_lossy(&octets).into_owned();
                    let hidden = secrets::racoon_secrets(&text);
                    self.file(SourceFile::hiding(path.display().to_string(), text, hidden), depth + 1);
                }
                Err(why) => {
                    self.diagnostics.push(fail(format!("cannot include `{}`: {why}", path.display())))
                }
            }
        }
    }
}

/// After so many findings the rest of a file is not read: it is something else.
const MAX_DIAGNOSTICS: usize = 500;

struct Parser {
    file: SourceFile,
    at: usize,
    state: State,
    diagnostics: Vec<Diagnostic>,
    /// The token that was looked at last, with its place and state: what nothing matches may be long, and several
    /// questions are asked of each token.
    seen: RefCell<Option<(usize, State, Token)>>,
}

impl Parser {
    fn peek(&self) -> Token {
        let mut seen = self.seen.borrow_mut();
        match &*seen {
            Some((at, state, token)) if (*at, *state) == (self.at, self.state) => token.clone(),
            _ => {
                let token = lexer::token(&self.file, self.at, self.state);
                *seen = Some((self.at, self.state, token.clone()));
                token
            }
        }
    }

    fn take(&mut self) -> Token {
        let token = self.peek();
        self.at = token.span.end();
        self.report_dropped(&token);
        self.report_glue(&token);
        token
    }

    /// Says what the real lexer skips in silence.
    fn report_dropped(&mut self, token: &Token) {
        for junk in &token.dropped {
            let message =
                format!("`{}` is not understood here and skipped, as racoon does", short(junk.text()));
            self.warn(junk, message);
        }
    }

    /// Says what the real lexer glues to the front of a token in silence.
    fn report_glue(&mut self, token: &Token) {
        let Some(glue) = &token.glue else { return };
        if token.kind != Kind::Number {
            let message =
                format!("`{}` is not understood here and skipped, as racoon does", short(glue.text()));
            self.warn(glue, message);
            return;
        }
        let written = glue.to(&token.span);
        let (shown, because) = (short(written.text()), short(glue.text()));
        let message = format!("racoon reads `{shown}` as the number 0, because of the `{because}`");
        let help = format!("write a blank and the number alone: ` {}`", token.span.text());
        self.diagnostics.push(Diagnostic::warning(&written, message).with_help(help));
    }

    fn warn(&mut self, span: &Span, message: String) {
        self.diagnostics.push(Diagnostic {
            severity: Severity::Warning,
            span: Some(span.clone()),
            message,
            help: None,
        });
    }

    /// Takes the token when it is of that kind.
    fn eat(&mut self, kind: Kind) -> Option<Token> {
        (self.peek().kind == kind).then(|| self.take())
    }

    fn eat_word(&mut self, words: &[&str]) -> Option<Spanned<&'static str>> {
        match self.peek().kind {
            Kind::Word(word) if words.contains(&word) => Some(Spanned::new(word, self.take().span)),
            _ => None,
        }
    }

    fn expect(&mut self, kind: Kind, what: &str) -> Parsed<Token> {
        self.eat(kind).ok_or_else(|| self.unexpected(what, &[]))
    }

    /// The error that the next token is not `what`. A token that is a piece of a longer word is shown as the word.
    fn unexpected(&self, what: &str, known: &[&str]) -> Box<Diagnostic> {
        let token = self.peek();
        let word = self.whole_word(&token);
        let message = match token.kind {
            Kind::End => format!("the file ends where {what} is expected"),
            Kind::Text => format!("syntax error at this string: expected {what}"),
            _ => format!("syntax error at `{}`: expected {what}", short(word.text())),
        };
        let error = Diagnostic::error(&word, message);
        let error = if known.is_empty() { error } else { error.with_known_words(word.text(), known) };
        Box::new(error)
    }

    /// The token with the letters that stand directly around it.
    fn whole_word(&self, token: &Token) -> Span {
        let start = token.dropped.first().or(token.glue.as_ref()).unwrap_or(&token.span).start();
        let text = self.file.text();
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
        if !self.file.span(start, text.len()).text().starts_with(is_part) {
            return self.file.span(token.span.start(), token.span.end());
        }
        let rest = self.file.span(start, text.len());
        let len = rest.text().find(|c| !is_part(c)).unwrap_or_else(|| rest.text().len());
        self.file.span(start, start + len)
    }

    /// One thing of the top level; `None` at the end of the file.
    fn item(&mut self) -> Option<Item> {
        loop {
            self.state = State::Top;
            if self.peek().kind == Kind::End {
                self.take();
                return None;
            }
            match self.try_item() {
                Ok(item) => return Some(item),
                Err(error) => self.recover(*error),
            }
        }
    }

    fn try_item(&mut self) -> Parsed<Item> {
        if let Some(name) = self.eat_word(grammar::BLOCKS) {
            let state = State::Block(name.value);
            return self.block(name, state).map(Item::Block);
        }
        if let Some(keyword) = self.eat_word(&["remote"]) {
            return self.remote(&keyword.span).map(|r| Item::Remote(Box::new(r)));
        }
        if let Some(keyword) = self.eat_word(&["sainfo"]) {
            return self.sainfo(&keyword.span).map(|s| Item::Sainfo(Box::new(s)));
        }
        self.setting().map(Item::Setting)
    }

    /// Reports, and goes on behind the statement or block in which the error is.
    fn recover(&mut self, error: Diagnostic) {
        self.diagnostics.push(error);
        if self.diagnostics.len() > MAX_DIAGNOSTICS {
            self.at = self.file.text().len();
        }
        let mut depth = 0_usize;
        loop {
            let token = self.peek();
            match token.kind {
                Kind::End => return,
                Kind::Close if depth == 0 && self.state != State::Top => return,
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at = token.span.end();
            let is_end = matches!(token.kind, Kind::Semicolon | Kind::Close);
            if is_end && depth == 0 {
                return;
            }
        }
    }

    /// A statement of the current state with its arguments and the semicolon.
    fn setting(&mut self) -> Parsed<Setting> {
        let name = match self.peek().kind {
            Kind::Word(word) => self.rule(word),
            _ => None,
        };
        let Some((name, shapes)) = name else {
            return Err(self.unexpected("a statement", &grammar::statements(self.state)));
        };
        let token = self.take();
        if let [Shape::Refused(advice)] = shapes {
            let refusal =
                Diagnostic::error(&token.span, format!("`{name}` is not a statement of this block"));
            return Err(Box::new(refusal.with_help(*advice)));
        }
        let name = Spanned::new(name, token.span);
        let mut args = Vec::new();
        for shape in shapes {
            self.argument(*shape, &mut args)?;
        }
        let end = args.last().map_or_else(|| name.span.clone(), |a| a.span.clone());
        let span = name.span.to(&end);
        self.expect(Kind::Semicolon, "`;`")?;
        Ok(Setting { name, args, span })
    }

    fn rule(&self, word: &str) -> Option<Rule> {
        grammar::rules(self.state).iter().find(|(name, _)| *name == word).copied()
    }
}

/// The beginning of what may be a whole file.
fn short(text: &str) -> String {
    const MAX: usize = 60;
    let cut: String = text.chars().take(MAX).collect();
    if cut.len() < text.len() { format!("{cut}..") } else { cut }
}
