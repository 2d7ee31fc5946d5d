//! What the core and the other parts trace, as debug lines of the log.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::explain::printable;
use super::{Level, Line, Logger, Origin};

/// Hands traced events to a [`Logger`].
#[derive(Debug)]
pub struct Bridge(pub Logger);

impl<S: Subscriber> Layer<S> for Bridge {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with("coati") && level(metadata) <= self.0.level()
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        let text = printable(&(words.message + &words.fields));
        let metadata = event.metadata();
        let origin =
            Origin { file: metadata.file().unwrap_or_default(), line: metadata.line().unwrap_or_default() };
        let line = Line { origin, ..Line::new(level(metadata), text) };
        self.0.classed(class(metadata.target()), &line);
    }
}

/// A traced event's message, and its fields behind it.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {field}={value:?}")
        };
    }
}

fn level(metadata: &Metadata<'_>) -> Level {
    match *metadata.level() {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warning,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::Trace,
    }
}

/// isakmpd's name for the part of the program.
fn class(target: &str) -> &'static str {
    let part = target.split("::").nth(1).unwrap_or_default();
    match part {
        "wire" => "Mesg",
        "crypto" => "Cryp",
        "kernel" | "sys" => "Sdep",
        "daemon" => "Misc",
        "conf" => "Plcy",
        _ => "Exch",
    }
}
