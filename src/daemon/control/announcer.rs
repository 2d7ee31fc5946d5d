//! Events on their way to everybody who has subscribed.

use std::sync::Arc;

use tokio::sync::broadcast;

use super::event::EventReport;
use super::protocol::Response;

/// Events that a slow reader may be behind. Who is further behind is dropped.
const BACKLOG: usize = 512;

/// Tells events to subscribers. It never waits, and holds a limited number of events, however many listen.
#[derive(Clone, Debug)]
pub struct Announcer {
    lines: broadcast::Sender<Arc<str>>,
}

/// The lines of the stream, for one subscriber.
pub(super) type Lines = broadcast::Receiver<Arc<str>>;

impl Default for Announcer {
    fn default() -> Self {
        Self { lines: broadcast::Sender::new(BACKLOG) }
    }
}

impl Announcer {
    /// Whether anybody listens; if not, nothing has to be made.
    pub fn is_heard(&self) -> bool {
        self.lines.receiver_count() > 0
    }

    /// Tells an event.
    pub fn announce(&self, event: EventReport) {
        // Plain data always has a text.
        if let Ok(mut line) = serde_json::to_string(&Response::Event { event }) {
            line.push('\n');
            // Nobody may have subscribed.
            let _ = self.lines.send(line.into());
        }
    }

    pub(super) fn subscribe(&self) -> Lines {
        self.lines.subscribe()
    }
}
