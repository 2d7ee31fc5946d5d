//! What an operator asks for: SAs with keys of his own, policies that are not the daemon's, and what there is.

use super::super::policy::{self, Table};
use super::super::sa::{self, Half};
use super::Driver;
use crate::sadb::{
    Direction, FlowPolicy, KernelError, ManualSa, Mode, Reply, SaNames, ShownPolicy, ShownSa, ShownWay,
    Wanted,
};

impl Driver {
    /// Installs an SA. As with Linux's PF_KEY the window counts packets, and any mode is transport mode.
    pub(super) async fn add_manual(&mut self, sa: &ManualSa) -> Result<(), KernelError> {
        let params = sa.params(1, Mode::Transport)?;
        let half = if sa.direction == Direction::In { Half::Inbound } else { Half::Outbound };
        // What the kernel has is not known here, so it is asked at once.
        match self.link.tell(sa::add(&params, half, 0)?).await {
            Err(KernelError::NoSuchSa | KernelError::Unsupported("such an algorithm")) => {
                Err(KernelError::Unsupported("algorithm of that SA"))
            }
            other => other,
        }
    }

    /// Removes the SAs of these names. All of none is no failure, as with PF_KEY.
    pub(super) async fn drop_named(&mut self, names: &SaNames) -> Result<(), KernelError> {
        names.kind.protocol()?;
        if names.spi.is_some() {
            let id = names.id().ok_or(KernelError::NoSuchSa)?;
            return self.delete(id).await;
        }
        for entry in self.dump_sad().await?.iter().filter(|entry| names.includes(&entry.sa)) {
            match self.delete(entry.sa.id()).await {
                // It has gone by itself meanwhile.
                Ok(()) | Err(KernelError::NoSuchSa) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Adds a policy that is not ours. As with setkey everywhere, the order in which they were loaded counts.
    pub(super) async fn load_policy(
        &mut self,
        mut policy: FlowPolicy,
        replaces: bool,
    ) -> Result<(), KernelError> {
        policy.priority = policy.rank();
        let tables = Table::of(policy.direction);
        for (done, table) in tables.iter().enumerate() {
            let request =
                if replaces { policy::install(&policy, *table) } else { policy::add(&policy, *table) };
            let result = match request {
                Ok(request) => self.link.tell(request).await,
                Err(error) => Err(error),
            };
            match result {
                Ok(()) => {}
                // A policy for what is forwarded may stand there by itself: then that is what counts for it.
                Err(KernelError::Exists) if *table == Table::Fwd => {}
                Err(error) => {
                    self.undo_policy(&policy, tables.get(..done).unwrap_or_default()).await;
                    return Err(error);
                }
            }
        }
        self.stale.want_policies();
        Ok(())
    }

    /// What an operator wants to see.
    pub(super) async fn show(&mut self, wanted: Wanted) -> Result<Reply, KernelError> {
        if wanted == Wanted::Policies {
            let shown = |listed: &policy::Listed| {
                let mut shown = ShownPolicy::of(&listed.entry);
                if listed.table == Table::Fwd {
                    shown.way = ShownWay::Forward;
                }
                shown
            };
            return Ok(Reply::Policies(self.list_policies().await?.iter().map(shown).collect()));
        }
        let entries = self.dump_sad().await?;
        let is_wanted = |sa: &ShownSa| match wanted {
            Wanted::Sas(kind) => kind.is_none_or(|kind| kind == sa.kind),
            Wanted::Named(names) => SaNames { spi: names.spi.or(Some(sa.spi)), ..names } == sa.names(),
            Wanted::Policies => false,
        };
        // As PF_KEY would tell it: the window in packets.
        let shown =
            entries.iter().map(|entry| ShownSa { replay: entry.sa.replay_window, ..ShownSa::of(entry) });
        let sas: Vec<_> = shown.filter(is_wanted).collect();
        match wanted {
            Wanted::Named(_) if sas.is_empty() => Err(KernelError::NoSuchSa),
            _ => Ok(Reply::Sas(sas)),
        }
    }
}
