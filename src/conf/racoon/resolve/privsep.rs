//! `privsep { }`. There is no second process to hand privileges to yet. What the block promises about files holds all the
//! same: with it, certificates, keys and scripts come from their folders and from nowhere else.

use std::path::Path;

use super::Resolver;
use crate::conf::environment::without_dots;
use crate::conf::racoon::ast::{self, Item, Setting, Value};
use crate::conf::span::Span;

/// Statements that name files, the kind of `path` they belong to, and racoon's word for such a file.
const CONFINED: [(&str, &str, &str); 4] = [
    ("certificate_type", "certificate", "cert"),
    ("ca_type", "certificate", "cert"),
    ("peers_certfile", "certificate", "cert"),
    ("script", "script", "script"),
];

impl Resolver<'_> {
    /// Enforces the rules of paths, and says what of the block has no effect.
    pub(super) fn privsep(&mut self) {
        let settings = self.block("privsep");
        if let Some(chroot) = ast::last(&settings, "chroot") {
            self.no_effect(chroot, "the daemon sees the whole file system");
        }
        let Some(user) = ast::last(&settings, "user").filter(|s| !is_root(s)) else { return };
        self.warn(
            &user.span,
            "the daemon is one process that keeps its privileges: of privsep only the rules for certificates and \
             scripts are in force",
        );
        if self.path("certificate").is_none() || self.path("script").is_none() {
            let message = "privilege separation require path cert and path script in the config file";
            self.error(&user.span, message);
            return;
        }
        for (statement, kind, word) in CONFINED {
            for (name, span) in self.files_named_by(statement) {
                self.confine(&name, kind, word, &span);
            }
        }
    }

    /// The names of files in the statements of that name, in all remotes.
    fn files_named_by(&self, statement: &str) -> Vec<(String, Span)> {
        let remotes = self.config.items.iter().filter_map(|item| match item {
            Item::Remote(remote) => Some(&remote.settings),
            _ => None,
        });
        let settings = remotes.flatten().filter(|s| s.name.value == statement);
        let names = settings.flat_map(|s| s.texts().map(|text| (text.to_owned(), s.span.clone())));
        names.collect()
    }

    fn confine(&mut self, name: &str, kind: &str, word: &str, span: &Span) {
        let Some(folder) = self.path(kind).and_then(Setting::text) else { return };
        let file = Path::new(folder).join(name);
        let is_inside = match (self.env.real_path(&file), self.env.real_path(Path::new(folder))) {
            (Ok(file), Ok(folder)) => file.starts_with(folder),
            // What is not there is complained of by whoever wants to read it. It must not be outside all the same.
            _ => without_dots(&file).starts_with(without_dots(Path::new(folder))),
        };
        if !is_inside {
            let file = file.display();
            self.error(span, format!("unsafe {word} \"{file}\": with privsep it has to be in \"{folder}\""));
        }
    }
}

/// Whether the account is the one that gives up nothing.
fn is_root(setting: &Setting) -> bool {
    let account = setting.args.first().map(|arg| &arg.value);
    matches!(account, Some(Value::Number(0))) || matches!(account, Some(Value::Text(name)) if name == "root")
}
