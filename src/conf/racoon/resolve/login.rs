//! `xauth_login` and `mode_cfg on`: what we do as a gateway's client.

use super::{EffectiveRemote, Resolver};
use crate::conf::racoon::ast::{self, Setting};
use crate::ike::policy::{Edge, Login, Phase1Transform, PskOwner, RemoteAccess};

impl Resolver<'_> {
    /// The login is written in the remote, its password in the key file: the key whose name is the login.
    pub(super) fn remote_access(
        &mut self,
        remote: &EffectiveRemote<'_>,
        transforms: &[Phase1Transform],
    ) -> RemoteAccess {
        let settings = &remote.settings;
        let pull_config = ast::last(settings, "mode_cfg").is_some_and(Setting::is_on);
        let logs_in = transforms.iter().find(|t| t.auth.value.edge() == Some(Edge::Client));
        let written = ast::last(settings, "xauth_login");
        let user = written.and_then(|setting| Some((setting, setting.text()?)));
        let login = match (written, user, logs_in) {
            (_, Some((setting, user)), Some(_)) => Some(self.login(setting, user)),
            (Some(setting), _, None) => {
                let message =
                    "xauth_login has no effect without an authentication_method that ends in `_client`";
                self.warn(&setting.span, message);
                None
            }
            (_, None, Some(transform)) => {
                let method = &transform.auth.at.text;
                let message = format!("no xauth_login says who we are, and with `{method}` we are asked");
                self.warn(&remote.remote.name.span, message);
                None
            }
            (None, _, None) => None,
        };
        RemoteAccess { login, pull_config }
    }

    fn login(&mut self, setting: &Setting, user: &str) -> Login {
        let owner = PskOwner::Identity(user.to_owned());
        let password = self.psks.entries.iter().find(|e| e.owner == owner).map(|e| e.key.clone());
        if password.is_none() && self.env.is_open() {
            let file = self.path("pre_shared_key").and_then(Setting::text).map(str::to_owned);
            let message = file.map_or_else(
                || format!("without `path pre_shared_key` there is no password for the login {user}"),
                |file| format!("{file} has no password for the login {user}"),
            );
            self.warn(&setting.span, message);
        }
        Login { user: user.to_owned(), password }
    }
}
