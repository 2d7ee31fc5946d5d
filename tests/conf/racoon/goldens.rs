//! Every `cases/racoon/NAME.conf` and `cases/setkey/NAME.conf` has a `NAME.err`: all that is said of it, empty where
//! nothing is. `COATI_BLESS=1` writes them.

use std::fs;
use std::path::Path;

use coati::conf::NoFiles;
use coati::conf::check::{Dialect, check};

#[test]
fn say_what_they_said() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (folder, dialect) in [("racoon", Dialect::Racoon), ("setkey", Dialect::Setkey)] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conf/cases").join(folder);
        for entry in fs::read_dir(&folder).expect("the folder of cases") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|e| e != "conf") {
                continue;
            }
            count += 1;
            let outcome = check(std::slice::from_ref(&path), Some(dialect), &NoFiles);
            let said = outcome.to_string().replace(&format!("{}/", folder.display()), "");
            let golden = path.with_extension("err");
            if std::env::var_os("COATI_BLESS").is_some() {
                fs::write(&golden, &said).expect("written");
            }
            let expected = fs::read_to_string(&golden).unwrap_or_default();
            if said != expected {
                wrong.push(format!("{}:\n{said}", golden.display()));
            }
        }
    }
    assert!(count >= 6, "only {count} cases were found");
    assert!(wrong.is_empty(), "these differ:\n{}", wrong.join("\n"));
}
