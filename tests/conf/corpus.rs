//! A folder of real configuration files, named by `COATI_CORPUS`, as `coati check --no-files` sees them: every file that the original program takes loads, or is
//! refused by name for something that is documented as not implemented, and every other one is refused with a line number.
//! Without the variable a few files of our own take their place.

use std::fs;
use std::path::{Path, PathBuf};

use coati::conf::NoFiles;
use coati::conf::check::{Dialect, check};
use coati::conf::diagnostic::Diagnostic;

/// One line of an index.
struct Entry {
    file: PathBuf,
    /// Whether racoon and setkey of ipsec-tools, or of a BSD, take the file.
    is_valid: bool,
}

/// What became of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Got {
    Loaded,
    /// Every error says what is not implemented, and where; this is the first.
    NotServed(String),
    /// Refused, with the line of the first error.
    Refused(u32, String),
    /// Refused, and nobody knows where.
    RefusedSomewhere(String),
}

fn folder() -> PathBuf {
    match std::env::var_os("COATI_CORPUS") {
        Some(folder) => folder.into(),
        None => {
            println!("COATI_CORPUS is not set: the files in tests/vectors/corpus stand for real ones");
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/corpus")
        }
    }
}

/// `file, source, valid, notable` with tabs between, behind a line with these words.
fn index(folder: &Path) -> Vec<Entry> {
    let text = fs::read_to_string(folder.join("INDEX.tsv")).expect("an index");
    let entry = |line: &str| {
        let mut fields = line.split('\t');
        let file = folder.join(fields.next().expect("a file"));
        let verdict = fields.nth(1).expect("a verdict");
        // What another program's dialect adds is none of racoon's.
        let is_foreign = ["for Apple", "pfSense only"].iter().any(|words| verdict.contains(words));
        Entry { file, is_valid: verdict.starts_with("yes") && !is_foreign }
    };
    text.lines().skip(1).map(entry).collect()
}

fn judge(found: &[Diagnostic]) -> Got {
    let errors: Vec<_> = found.iter().filter(|d| d.is_error()).collect();
    let Some(first) = errors.first() else { return Got::Loaded };
    let is_named =
        |d: &&Diagnostic| ["not implemented", "not served"].iter().any(|words| d.message.contains(words));
    if errors.iter().all(|error| is_named(error) && error.span.is_some()) {
        return Got::NotServed(first.message.clone());
    }
    let first = errors.iter().find(|error| !is_named(error)).copied().unwrap_or(first);
    match &first.span {
        Some(span) => Got::Refused(span.position().line, first.message.clone()),
        None => Got::RefusedSomewhere(first.message.clone()),
    }
}

/// The files of one dialect, with what became of each.
fn judged(folder: &Path, dialect: Dialect) -> Vec<(Entry, Got)> {
    let judged = index(folder).into_iter().map(|entry| {
        assert!(entry.file.is_file(), "the index names {}", entry.file.display());
        let outcome = check(std::slice::from_ref(&entry.file), Some(dialect), &NoFiles);
        let got = judge(&outcome.diagnostics);
        (entry, got)
    });
    judged.collect()
}

fn row(entry: &Entry, got: &Got) -> String {
    let name = entry.file.file_name().unwrap_or_default().to_string_lossy();
    let expected = if entry.is_valid { "valid" } else { "invalid" };
    let (verdict, words) = match got {
        Got::Loaded => ("loads".to_owned(), ""),
        Got::NotServed(words) => ("not served".to_owned(), words.as_str()),
        Got::Refused(line, words) => (format!("line {line}"), words.as_str()),
        Got::RefusedSomewhere(words) => ("refused".to_owned(), words.as_str()),
    };
    format!("{name:<40} {expected:<8} {verdict:<11} {words}")
}

#[test]
fn real_files_are_taken_as_the_original_programs_take_them() {
    let folder = folder();
    let mut all = judged(&folder.join("racoon"), Dialect::Racoon);
    all.extend(judged(&folder.join("setkey"), Dialect::Setkey));
    println!("{:<40} {:<8} {:<11} why", "file", "expected", "got");
    all.iter().for_each(|(entry, got)| println!("{}", row(entry, got)));
    let wrong: Vec<_> = all
        .iter()
        .filter(|(entry, got)| match got {
            Got::Loaded => !entry.is_valid,
            // A feature that is not served may hide what else is wrong with an invalid file.
            Got::NotServed(_) => false,
            Got::Refused(..) => entry.is_valid,
            Got::RefusedSomewhere(_) => true,
        })
        .map(|(entry, got)| row(entry, got))
        .collect();
    assert!(wrong.is_empty(), "{} of {} files:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    let valid = all.iter().filter(|(entry, _)| entry.is_valid).count();
    assert!(valid >= 10, "only {valid} valid files");
    let not_served: Vec<_> = all
        .iter()
        .filter(|(entry, got)| entry.is_valid && matches!(got, Got::NotServed(_)))
        .map(|(entry, got)| row(entry, got))
        .collect();
    let limit = valid / 20;
    assert!(
        not_served.len() <= limit,
        "{} of {valid} valid files name what is not served, {limit} may:\n{}",
        not_served.len(),
        not_served.join("\n")
    );
}
