//! Public-key work on all cores, so that no datagram waits for another peer's exponentiation.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, io, thread};

use crate::crypto::job::{CryptoJob, CryptoResult};
use crate::ike::endpoint::JobId;

/// Takes one finished job. Returns whether anybody is still interested.
pub type Deliver = Arc<dyn Fn(JobId, CryptoResult) -> bool + Send + Sync>;

/// One thread a core. The number of waiting jobs is bounded by the core, which bounds its exchanges.
pub struct CryptoPool {
    jobs: Sender<(JobId, CryptoJob)>,
    threads: usize,
}

impl CryptoPool {
    /// Starts the threads; they end when the pool is dropped.
    ///
    /// # Errors
    /// The system has no more threads.
    pub fn start(deliver: &Deliver) -> io::Result<Self> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let (jobs, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for n in 0..threads {
            let waiting = Arc::clone(&waiting);
            let deliver = Arc::clone(deliver);
            thread::Builder::new().name(format!("crypto-{n}")).spawn(move || work(&waiting, &deliver))?;
        }
        Ok(Self { jobs, threads })
    }

    /// Hands a job over.
    pub fn submit(&self, id: JobId, job: CryptoJob) {
        // The threads only end after this sender.
        let _ = self.jobs.send((id, job));
    }
}

impl fmt::Debug for CryptoPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CryptoPool").field("threads", &self.threads).finish_non_exhaustive()
    }
}

fn work(waiting: &Mutex<Receiver<(JobId, CryptoJob)>>, deliver: &Deliver) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((id, job)) = next else { return };
        if !deliver(id, job.run()) {
            return;
        }
    }
}
