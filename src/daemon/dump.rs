//! The kernel's databases as text.

use tokio::sync::oneshot;

use super::control::DumpForm;
use crate::kernel::dump::{ipsecctl, setkey};
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
    options: setkey::Options,
    sad: Option<&[SadbEntry]>,
    spd: Option<&[PolicyEntry]>,
) -> String {
    match (form, sad, spd) {
        (DumpForm::Setkey, sad, spd) => {
            let sad = sad.map(|entries| setkey::sad(entries, &options));
            let spd = spd.map(|entries| setkey::spd(entries, &options));
            [sad, spd].into_iter().flatten().collect()
        }
        (DumpForm::Ipsecctl, Some(sad), Some(spd)) => ipsecctl::all(spd, sad),
        (DumpForm::Ipsecctl, Some(sad), None) => ipsecctl::sad(sad),
        (DumpForm::Ipsecctl, None, spd) => ipsecctl::flows(spd.unwrap_or_default()),
    }
}

/// Entries in setkey's form, with their keys, read at this moment.
pub fn setkey(sad: Option<&[SadbEntry]>, spd: Option<&[PolicyEntry]>) -> String {
    let now = i64::try_from(super::clock::since_epoch().as_secs()).unwrap_or(i64::MAX);
    render(DumpForm::Setkey, options(UnixTime(now), true), sad, spd)
}

/// What a dump in setkey's form depends on besides the entries.
pub(super) fn options(now: UnixTime, keys: bool) -> setkey::Options {
    let at = jiff::Timestamp::from_second(now.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    setkey::Options {
        flavour: setkey::Flavour::FreeBsd,
        now,
        utc_offset: jiff::tz::TimeZone::system().to_offset(at).seconds(),
        pid: std::process::id(),
        redact_keys: !keys,
    }
}
