//! The near end of a kernel that lives in a task: requests go in, events come out.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc;

use crate::sadb::{KernelError, KernelEvent, Request, RequestId};

/// What the daemon holds of a kernel's task. The task ends when this is dropped. What goes in is a request, or `T` that
/// has one.
#[derive(Debug)]
pub(super) struct Handle<T = Request> {
    pub(super) requests: mpsc::UnboundedSender<(RequestId, T)>,
    events: mpsc::UnboundedReceiver<KernelEvent>,
    /// Answers to requests that found no task any more.
    refused: VecDeque<KernelEvent>,
    /// What a request finds missing then.
    task_name: &'static str,
}

/// The task's end.
#[derive(Debug)]
pub(super) struct TaskEnd<T = Request> {
    pub(super) requests: mpsc::UnboundedReceiver<(RequestId, T)>,
    pub(super) events: mpsc::UnboundedSender<KernelEvent>,
}

impl<T> Handle<T> {
    /// Both ends.
    pub(super) fn channel(task_name: &'static str) -> (Self, TaskEnd<T>) {
        let (requests, taken) = mpsc::unbounded_channel();
        let (told, events) = mpsc::unbounded_channel();
        let handle = Self { requests, events, refused: VecDeque::new(), task_name };
        (handle, TaskEnd { requests: taken, events: told })
    }

    /// Waits until the task has ended.
    #[cfg(test)]
    pub(super) async fn closed(&self) {
        self.requests.closed().await;
    }

    /// [`Kernel::submit`](super::Kernel::submit).
    pub(super) fn submit(&mut self, id: RequestId, request: T) {
        if self.requests.send((id, request)).is_err() {
            let result = Err(KernelError::Unsupported(self.task_name));
            self.refused.push_back(KernelEvent::Reply { id, result });
        }
    }

    /// [`Kernel::poll_next`](super::Kernel::poll_next).
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<KernelEvent> {
        if let Some(event) = self.refused.pop_front() {
            return Poll::Ready(event);
        }
        match ready!(self.events.poll_recv(context)) {
            Some(event) => Poll::Ready(event),
            None => Poll::Pending,
        }
    }
}
