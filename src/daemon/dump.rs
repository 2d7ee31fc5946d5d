//! The kernel's databases as text.

use tokio::sync::oneshot;

use super::control::{DumpForm, Look};
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

/// What a dump in setkey's form depends on besides the entries.
pub(super) fn options(now: UnixTime, keys: bool) -> setkey::Options {
    setkey::Options { redact_keys: !keys, ..options_for(now, Look::default()) }
}

/// The same for whoever has said how it is to look.
pub fn options_for(now: UnixTime, look: Look) -> setkey::Options {
    setkey::Options {
        flavour: if look.tools { setkey::Flavour::IpsecTools } else { setkey::Flavour::FreeBsd },
        now,
        utc_offset: utc_offset(u64::try_from(now.0).unwrap_or(0)),
        pid: std::process::id(),
        redact_keys: false,
        dead: look.dead,
        ports: look.ports,
    }
}

/// The same at this moment.
pub fn options_now(look: Look) -> setkey::Options {
    let now = i64::try_from(super::clock::since_epoch().as_secs()).unwrap_or(i64::MAX);
    options_for(UnixTime(now), look)
}

/// Seconds by which local time is ahead of UTC at that time.
pub(super) fn utc_offset(since_1970: u64) -> i32 {
    let at = i64::try_from(since_1970).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    jiff::tz::TimeZone::system().to_offset(at.unwrap_or(jiff::Timestamp::UNIX_EPOCH)).seconds()
}
