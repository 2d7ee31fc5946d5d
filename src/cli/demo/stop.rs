//! Ctrl-C and its kind: the demo then cleans up as on any other failure.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

static STOPPED: AtomicBool = AtomicBool::new(false);

/// Begins to listen for signals, on a thread of its own.
pub(super) fn listen() {
    thread::spawn(|| {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
            let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = kinds.map(signal) else { return };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            STOPPED.store(true, Ordering::Relaxed);
        });
    });
}

/// Whether somebody wants the demo to end.
pub(super) fn wanted() -> bool {
    STOPPED.load(Ordering::Relaxed)
}

/// Takes note that the wish was followed, so that what comes after is not cut short.
pub(super) fn forget() {
    STOPPED.store(false, Ordering::Relaxed);
}
