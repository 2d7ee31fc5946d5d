//! What comes with us: every crate has a licence and a source that deny.toml allows, and docs/dependencies.md says why
//! each direct one is here. `cargo deny check` knows more (advisories); this runs without it and without a network.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("the file is there")
}

/// The strings of the list `allow` in deny.toml.
fn allowed_licences() -> Vec<String> {
    let deny = file("deny.toml");
    let list = deny.split("\nallow = [").nth(1).and_then(|rest| rest.split(']').next());
    let list = list.expect("deny.toml has a list of licences");
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
}

/// Whether an SPDX expression can be satisfied with what is allowed. All that crates use is OR, AND, `/` and brackets.
fn satisfied(expression: &str, allowed: &[String]) -> bool {
    let one = |word: &str| allowed.iter().any(|a| a == word.trim_matches([' ', '(', ')']));
    let expression = expression.replace('/', " OR ");
    if expression.contains('(') {
        // Brackets stand around alternatives only.
        return expression.split(" AND ").all(|part| part.split(" OR ").any(one));
    }
    expression.split(" OR ").any(|part| part.split(" AND ").all(one))
}

#[test]
fn licences_and_sources_are_allowed() {
    let allowed = allowed_licences();
    let mut faults = Vec::new();
    for package in metadata()["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        let licence = package["license"].as_str().unwrap_or("none");
        if !satisfied(licence, &allowed) {
            faults.push(format!("{name}: {licence}"));
        }
        let source = package["source"].as_str();
        if name != "coati" && !source.is_some_and(|s| s.starts_with("registry+")) {
            faults.push(format!("{name}: comes from {source:?}"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_direct_dependency_is_accounted_for() {
    let page = file("docs/dependencies.md");
    let words: Vec<&str> = page.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').collect();
    let metadata = metadata();
    let us = metadata["packages"].as_array().expect("packages").iter().find(|p| p["name"] == "coati");
    let direct = us.expect("our own package")["dependencies"].as_array().expect("dependencies");
    let missing: Vec<&str> = direct
        .iter()
        .map(|d| d["name"].as_str().expect("a name"))
        .filter(|name| !words.contains(name))
        .collect();
    assert!(missing.is_empty(), "not in docs/dependencies.md: {missing:?}");
}

#[test]
fn the_licence_check_can_fail() {
    let allowed = ["MIT".to_owned(), "Apache-2.0".to_owned()];
    for (expression, good) in [
        ("MIT", true),
        ("MIT/GPL-3.0", true),
        ("MIT OR Unlicense", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR Apache-2.0) AND GPL-3.0", false),
        ("GPL-3.0", false),
        ("none", false),
    ] {
        assert_eq!(satisfied(expression, &allowed), good, "{expression}");
    }
}
