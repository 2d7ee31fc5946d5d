//! Both logs side by side, and what the demo says itself.

use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One of the two gateways.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// racoon's files.
    A,
    /// OpenBSD's files.
    B,
}

impl Side {
    /// Its letter.
    pub(super) const fn letter(self) -> char {
        match self {
            Self::A => 'A',
            Self::B => 'B',
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }
}

/// Narrower terminals get one column.
const TWO_COLUMNS: usize = 150;

/// Where everything is printed, and what each gateway has logged so far.
#[derive(Debug)]
pub(super) struct Screen {
    columns: Option<usize>,
    logs: Mutex<[Vec<String>; 2]>,
    news: Condvar,
}

impl Screen {
    /// A screen as wide as the terminal.
    pub(super) fn new() -> Self {
        let columns = terminal_columns().filter(|columns| *columns >= TWO_COLUMNS);
        Self { columns, logs: Mutex::default(), news: Condvar::new() }
    }

    /// Says something of the demo's own.
    pub(super) fn say(&self, text: &str) {
        let _guard = self.logs();
        put(&format!("{text}\n"));
    }

    /// Announces a step.
    pub(super) fn step(&self, text: &str) {
        self.say(&format!("\n==> {text}"));
    }

    /// Shows a line of a gateway's log.
    pub(super) fn log(&self, side: Side, line: &str) {
        let mut logs = self.logs();
        logs[side.index()].push(line.to_owned());
        put(&match self.columns {
            None => format!("{}| {line}\n", side.letter()),
            Some(columns) => in_column(side, line, columns),
        });
        self.news.notify_all();
    }

    /// Waits until there may be something new, a moment at most.
    pub(super) fn wait(&self) {
        let moment = Duration::from_millis(50);
        drop(self.news.wait_timeout(self.logs(), moment));
    }

    /// Whether a line of a gateway's log contains `text`.
    pub(super) fn has(&self, side: Side, text: &str) -> bool {
        self.logs()[side.index()].iter().any(|line| line.contains(text))
    }

    /// The end of a gateway's log.
    pub(super) fn tail(&self, side: Side, count: usize) -> String {
        let logs = self.logs();
        let lines = &logs[side.index()];
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    fn logs(&self) -> MutexGuard<'_, [Vec<String>; 2]> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn put(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// The line in the left or the right half, wrapped.
fn in_column(side: Side, line: &str, columns: usize) -> String {
    let width = (columns - 3) / 2;
    let letters: Vec<char> = line.chars().collect();
    let mut out = String::new();
    for part in letters.chunks(width.max(1)) {
        let text: String = part.iter().collect();
        out += &match side {
            Side::A => format!("{text:<width$} |\n"),
            Side::B => format!("{:<width$} | {text}\n", ""),
        };
    }
    out
}

fn terminal_columns() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let size =
        Command::new("stty").arg("size").stdin(Stdio::inherit()).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(size.stdout).ok()?.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_do_not_meet() {
        assert_eq!(in_column(Side::A, "abcd", 9), "abc |\nd   |\n");
        assert_eq!(in_column(Side::B, "abcd", 9), "    | abc\n    | d\n");
    }
}
