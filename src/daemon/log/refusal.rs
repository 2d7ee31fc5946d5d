//! A configuration that cannot be used, in the words of each dialect, and then in ours, which show where and why.

use super::Dialect;
use super::explain::printable;
use crate::conf::Diagnostic;
use crate::daemon::load::LoadError;

/// The lines, all of them errors.
pub(super) fn lines(dialect: Dialect, error: &LoadError) -> Vec<String> {
    let ours = error.to_string();
    let ours = ours.lines().map(str::to_owned);
    match (dialect, error) {
        (Dialect::Isakmpd, _) => ours.collect(),
        (Dialect::Racoon, LoadError::Unreadable { file, .. }) => {
            let first = format!("could not read configuration file \"{}\"", file.display());
            std::iter::once(first).chain(ours).collect()
        }
        (Dialect::Racoon, LoadError::Wrong(found)) => {
            let errors: Vec<_> = found.iter().filter(|d| d.is_error()).collect();
            let last = format!("fatal parse failure ({} errors)", errors.len());
            errors.into_iter().map(racoon).chain([last]).chain(ours).collect()
        }
    }
}

/// `racoon.conf:4: "rot13" syntax error`.
fn racoon(finding: &Diagnostic) -> String {
    let Some(span) = &finding.span else { return printable(&finding.message) };
    let at = span.position();
    // What is a secret has stars in the line as it is shown.
    let width = span.text().lines().next().unwrap_or_default().chars().count();
    let before = usize::try_from(at.column).unwrap_or(usize::MAX).saturating_sub(1);
    let token: String = span.shown_line().chars().skip(before).take(width).collect();
    let is_syntax =
        finding.message.starts_with("syntax error") || finding.message.starts_with("the file ends");
    let what = if is_syntax { "syntax error" } else { &*finding.message };
    printable(&format!("{}:{}: \"{token}\" {what}", span.file().name(), at.line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::{NoFiles, racoon};

    fn refused(text: &str) -> Vec<String> {
        let (_, found) = racoon::load("racoon.conf", text, &NoFiles);
        lines(Dialect::Racoon, &LoadError::Wrong(found))
    }

    #[test]
    fn the_lines_are_racoons_and_the_reason_follows() {
        let lines = refused("log info;\nlog debug4;\nremote anonymous {\n\tdh_grup 2;\n}\n");
        assert_eq!(
            &lines[..3],
            [
                "racoon.conf:2: \"4\" syntax error",
                "racoon.conf:4: \"dh_grup\" syntax error",
                "fatal parse failure (2 errors)"
            ]
        );
        let ours = lines[3..].join("\n");
        assert!(ours.contains("racoon.conf:4:2: error:") && ours.contains("^^^^^^^"), "{ours}");
    }

    #[test]
    fn the_end_of_a_file_is_a_syntax_error_too() {
        let lines = refused("remote anonymous {\n\texchange_mode main;\n");
        assert!(lines.contains(&"fatal parse failure (1 errors)".to_owned()), "{lines:?}");
    }

    #[test]
    fn secrets_stay_out_of_the_log() {
        let lines = refused("ldapcfg {\n\tbind_pw \"hidden\" 4;\n\tbind_pw hidden2;\n}\n");
        assert!(lines.iter().all(|line| !line.contains("hidden\"")), "{lines:?}");
    }
}
