//! What an operator does to a system's kernel directly, without a running daemon: loads policies, empties it, lists it.

use super::clock::Clock;
use super::kernel_choice::KernelOptions;
use super::kernel_task::KernelTask;
use crate::conf::setkey::Step;
use crate::kernel::system;
use crate::sadb::{KernelError, Reply, Request};

/// Carries the requests out, one after the other, and gives their answers. What fails is told with its place among them,
/// and the rest goes on, as setkey does.
///
/// # Errors
/// There is no system's kernel to talk to.
pub fn carry_out(
    options: &KernelOptions,
    requests: Vec<Request>,
) -> Result<Vec<Result<Reply, KernelError>>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let Some(kernel) = options.system().await else {
            return Err(
                "this system's kernel has no IPsec that can be used; with the embedded stack the daemon \
                        holds the policies, as its --setkey FILE says"
                    .to_owned(),
            );
        };
        let clock = Clock::start();
        let kernel = system::open_for_tools(&kernel, Box::new(move || clock.now())).await?;
        let mut task = KernelTask::new(kernel, None);
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            answers.push(task.ask(clock, request).await);
        }
        Ok(answers)
    })
}

/// The request that a step of a setkey file is.
pub fn request(step: Step) -> Request {
    match step {
        Step::FlushSad(protocol) => Request::FlushSad(protocol),
        Step::FlushSpd => Request::FlushSpd,
        Step::Install(policy) => Request::InstallPolicy(policy),
        Step::Remove(policy) => Request::DropPolicy(policy),
    }
}
