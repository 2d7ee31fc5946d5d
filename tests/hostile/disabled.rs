//! `disabled.toml` says what is not tested here, and why; nothing is both there and here.

use std::fs;
use std::path::Path;

#[test]
fn disabled_tests_have_reasons() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let sources: String = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let text = fs::read_to_string(dir.join("disabled.toml")).unwrap();
    let entries: Vec<_> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(!entries.is_empty());
    for line in entries {
        let (name, reason) = line.split_once(" = ").unwrap_or_else(|| panic!("{line}"));
        assert!(name.starts_with("sec_"), "{name}");
        assert!(reason.starts_with('"') && reason.ends_with('"') && reason.len() > 20, "{name}: no reason");
        assert!(!sources.contains(&format!("fn {name}(")), "{name} is disabled and here");
    }
}
