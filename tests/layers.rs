//! The shape of the source, held by a machine: who may import whom, where `unsafe` and operating systems may be named,
//! how long a file may be, and that nothing is written twice.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Module, and what it may name with `crate::`. A path that begins with one of these words is allowed; its own module
/// always is. `*` allows everything. The most specific module of a file counts.
const LAYERS: [(&str, &[&str]); 15] = [
    ("wire", &[]),
    ("time", &[]),
    ("crypto", &["time"]),
    ("sadb", &["wire::registry", "crypto::alg", "crypto::secret", "time"]),
    ("ike", &["crypto", "wire", "time", "sadb"]),
    ("conf", &["ike::policy", "sadb", "crypto"]),
    ("kernel", &["sadb", "wire::codec", "crypto::alg", "crypto::secret", "time", "sys"]),
    ("kernel::fake", &["sadb", "crypto", "time"]),
    ("kernel::pfkey", &["sadb", "wire::codec", "crypto::alg", "crypto::secret", "time"]),
    ("kernel::userspace", &["sadb", "wire::codec", "wire::natt", "time", "sys", "crypto"]),
    ("sys", &[]),
    ("daemon", &["conf", "ike", "kernel", "sys", "sadb", "crypto", "wire", "time"]),
    ("cli", &["daemon", "conf", "ike", "kernel", "sys", "sadb", "crypto", "wire", "time"]),
    ("fuzzing", &["conf", "ike", "kernel", "sadb", "crypto", "wire", "time"]),
    ("lib", &[]),
];

/// Words that must not stand in code (tests aside), where they may all the same, and why not elsewhere.
const BANNED: [(&str, &[&str], &str); 7] = [
    ("unsafe", &["sys"], "unsafe code lives in sys/"),
    ("target_os", &["sys", "kernel"], "operating systems are told apart in sys/ and kernel/"),
    (".unwrap()", &[], "say with expect() why it cannot fail, or handle it"),
    ("panic!", &[], "nothing from outside may end the daemon"),
    ("todo!", &[], "it is not done"),
    ("unimplemented!", &[], "it is not done"),
    ("std::time::Instant", &["daemon::clock"], "the core takes its time as an argument"),
];

const LONGEST_FILE: usize = 800;
/// So many equal lines in a row are a copy.
const COPY: usize = 12;

/// A source file: its module path and its text with comments, strings and tests blanked out.
struct Source {
    path: PathBuf,
    module: String,
    text: String,
    code: String,
}

impl Source {
    fn new(path: &Path, module: String, text: String) -> Self {
        let code = without_tests(&code_only(&text));
        Self { path: path.to_owned(), module, text, code }
    }

    fn is_test(&self) -> bool {
        let last = self.module.rsplit("::").next().unwrap_or_default();
        last == "tests" || last == "testing" || self.module.contains("::tests::")
    }

    fn is_in(&self, module: &str) -> bool {
        self.module.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }

    fn complaint(&self, line: usize, what: &str) -> String {
        format!("{}:{}: {what}", self.path.display(), line + 1)
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src can be listed") {
            let path = entry.expect("src can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let relative = path.strip_prefix(&root).expect("below src").with_extension("");
                let names: Vec<_> = relative.iter().map(|n| n.to_string_lossy().into_owned()).collect();
                let module = names.join("::");
                let module = module.strip_suffix("::mod").unwrap_or(&module).to_owned();
                let text = fs::read_to_string(&path).expect("a source is text");
                found.push(Source::new(&path, module, text));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The text with the insides of comments and literals replaced by blanks; lines stay where they are.
fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or(' ');
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let word_before = i > 0 && (at(i - 1).is_alphanumeric() || at(i - 1) == '_');
        let end = match (at(i), at(i + 1)) {
            ('/', '/') => (i..chars.len()).find(|&j| at(j) == '\n').unwrap_or(chars.len()),
            ('/', '*') => comment_end(&chars, i),
            ('"', _) => string_end(&chars, i + 1),
            ('r', '"' | '#') if !word_before => raw_string_end(&chars, i + 1),
            ('\'', '\\') => (i + 3..chars.len()).find(|&j| at(j) == '\'').unwrap_or(chars.len()) + 1,
            ('\'', _) if at(i + 2) == '\'' => i + 3,
            _ => {
                out.push(at(i));
                i += 1;
                continue;
            }
        };
        out.extend((i..end.min(chars.len())).map(|j| if at(j) == '\n' { '\n' } else { ' ' }));
        i = end;
    }
    out
}

fn comment_end(chars: &[char], from: usize) -> usize {
    let mut depth = 0;
    let mut i = from;
    while i + 1 < chars.len() {
        match (chars[i], chars[i + 1]) {
            ('/', '*') => (depth, i) = (depth + 1, i + 2),
            ('*', '/') if depth == 1 => return i + 2,
            ('*', '/') => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
    }
    chars.len()
}

fn string_end(chars: &[char], mut i: usize) -> usize {
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// `from` is behind the `r`. What turns out to be a raw identifier ends at once.
fn raw_string_end(chars: &[char], from: usize) -> usize {
    let hashes = chars[from..].iter().take_while(|c| **c == '#').count();
    if chars.get(from + hashes) != Some(&'"') {
        return from + hashes;
    }
    let close = |i: usize| chars[i] == '"' && chars[i + 1..].iter().take(hashes).all(|c| *c == '#');
    (from + hashes + 1..chars.len()).find(|&i| close(i)).map_or(chars.len(), |i| i + 1 + hashes)
}

/// Blanks every item under `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let mut depth = 0_u32;
        let mut end = out.len();
        for (i, c) in out[start..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 1 => depth -= 1,
                '}' => end = start + i + 1,
                ';' if depth == 0 => end = start + i + 1,
                _ => {}
            }
            if end != out.len() {
                break;
            }
        }
        let blank: String = out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blank);
    }
    out
}

/// What the file may import, by the most specific row of the table.
fn allowed(module: &str) -> Option<&'static [&'static str]> {
    let row = |(name, _): &&(&str, &[&str])| {
        module.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    LAYERS.iter().filter(row).max_by_key(|(name, _)| name.len()).map(|(_, list)| *list)
}

/// Every import that the table does not allow.
fn layer_faults(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    if source.module == "main" || source.is_test() {
        return faults;
    }
    let Some(list) = allowed(&source.module) else {
        return vec![source.complaint(0, "this module is not in the table of layers")];
    };
    let own = source.module.split("::").next().unwrap_or_default();
    let depth = source.module.split("::").count();
    for (number, line) in source.code.lines().enumerate() {
        for (at, _) in line.match_indices("crate::") {
            let tail = &line[at + "crate::".len()..];
            let end = tail.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(tail.len());
            let path = &tail[..end];
            let fits = |prefix: &&str| {
                path.strip_prefix(*prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
            };
            if !fits(&own) && !list.iter().any(fits) {
                faults.push(source.complaint(number, &format!("{own} may not use crate::{path}")));
            }
        }
        let climbs = (1..8).take_while(|n| line.contains(&"super::".repeat(*n))).count();
        if climbs >= depth {
            faults.push(source.complaint(number, "write crate:: where super:: leaves the module"));
        }
    }
    faults
}

fn banned_faults(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    if source.is_test() {
        return faults;
    }
    for (number, line) in source.code.lines().enumerate() {
        for (word, homes, why) in BANNED {
            let home = homes.iter().any(|home| source.is_in(home)) || line.contains("deny(unsafe");
            if line.contains(word) && !home && !line.contains(&format!("{word}_")) {
                faults.push(source.complaint(number, why));
            }
        }
    }
    for (number, line) in source.text.lines().enumerate() {
        if ["TODO", "FIXME", "XXX"].iter().any(|word| line.contains(word)) {
            faults.push(source.complaint(number, "what is left to do belongs into an issue"));
        }
    }
    let lines = source.code.trim_end().lines().count();
    if lines > LONGEST_FILE {
        faults.push(
            source.complaint(lines, &format!("{lines} lines are too many; {LONGEST_FILE} is the limit")),
        );
    }
    faults
}

/// Runs of equal lines. Imports, attributes and lone brackets do not count as lines.
fn copies(sources: &[Source]) -> Vec<String> {
    let mut seen: HashMap<Vec<&str>, (usize, usize)> = HashMap::new();
    let mut faults = Vec::new();
    for (file, source) in sources.iter().enumerate().filter(|(_, s)| !s.is_test()) {
        let counts = |line: &str| {
            line.len() > 3
                && !["use ", "pub use ", "mod ", "pub mod ", "#["].iter().any(|p| line.starts_with(p))
        };
        let texts = source.text.lines().map(str::trim);
        let code = source.code.lines().map(str::trim);
        // The code tells what counts, the text with its literals tells what is equal.
        let lines: Vec<(usize, &str)> = texts
            .zip(code)
            .enumerate()
            .filter(|(_, (_, code))| counts(code))
            .map(|(number, (text, _))| (number, text))
            .collect();
        let mut skip_to = 0;
        for window in lines.windows(COPY) {
            let (number, _) = window[0];
            let key: Vec<&str> = window.iter().map(|(_, text)| *text).collect();
            let first = *seen.entry(key).or_insert((file, number));
            if first != (file, number) && number >= skip_to {
                let there = sources[first.0].complaint(first.1, "");
                faults.push(source.complaint(number, &format!("{COPY} lines as at {there}")));
                skip_to = window[COPY - 1].0;
            }
        }
    }
    faults
}

fn must_be_empty(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn imports_follow_the_layers() {
    let faults: Vec<String> = sources().iter().flat_map(layer_faults).collect();
    must_be_empty(&faults);
}

#[test]
fn nothing_banned_is_written() {
    let faults: Vec<String> = sources().iter().flat_map(banned_faults).collect();
    must_be_empty(&faults);
}

#[test]
fn nothing_is_written_twice() {
    must_be_empty(&copies(&sources()));
}

fn sample(module: &str, text: &str) -> Source {
    Source::new(Path::new("sample.rs"), module.to_owned(), text.to_owned())
}

#[test]
fn the_scanner_sees_a_forbidden_import() {
    for (module, text, faults) in [
        ("wire::codec", "use crate::crypto::dh::DhGroup;", 1),
        ("wire::codec", "use crate::wire::header::Cookie;", 0),
        ("wire::codec", "// crate::crypto\nlet a = \"crate::crypto\";", 0),
        ("ike::sa", "fn f() -> crate::daemon::Clock {}", 1),
        ("ike::sa", "use crate::{wire, daemon};", 1),
        ("conf::racoon", "use crate::ike::policy::Policy;\nuse crate::ike::endpoint::Endpoint;", 1),
        ("kernel::xfrm", "use crate::crypto::dh::DhGroup;", 1),
        ("kernel::userspace::sad", "use crate::crypto::dh::DhGroup;", 0),
        ("sadb", "use crate::wire::registry::ProtocolId;\nuse crate::wire::registryx::A;", 1),
        ("ike::sa", "use super::super::daemon::Clock;", 1),
        ("ike::phase1::main", "use super::super::error::Why;", 0),
        ("ike::sa", "#[cfg(test)]\nmod tests {\n    use crate::daemon::Clock;\n}\n", 0),
        ("stray", "", 1),
    ] {
        assert_eq!(layer_faults(&sample(module, text)).len(), faults, "{module}: {text}");
    }
}

#[test]
fn the_scanner_sees_a_banned_word() {
    for (module, text, faults) in [
        ("ike::sa", "let a = b.unwrap();", 1),
        ("ike::sa", "let a = b.unwrap_or(1); // never panic!", 0),
        ("ike::sa", "fn f() {}\n#[cfg(test)]\nmod tests {\n    fn g() { panic!() }\n}", 0),
        ("ike::sa", "let a = '\"'; unsafe { b }", 1),
        ("sys::udp", "unsafe { b }", 0),
        ("daemon", "#[cfg(target_os = \"linux\")]\nfn f() {}", 1),
        ("ike::sa", "/* a /* b */ panic!() */ let x = r#\"panic!() \"quoted\"\"#;", 0),
        ("ike::sa", "// TODO: later", 1),
    ] {
        assert_eq!(banned_faults(&sample(module, text)).len(), faults, "{module}: {text}");
    }
    let long = "let a = 1;\n".repeat(LONGEST_FILE + 1);
    assert_eq!(banned_faults(&sample("ike::sa", &long)).len(), 1);
}

#[test]
fn the_scanner_sees_a_copy() {
    let lines: String = (0..COPY).map(|n| format!("let a{n} = b({n});\n\n")).collect();
    let one = || sample("ike::sa", &lines);
    let two = sample("ike::keys", &format!("fn f() {{}}\n{lines}"));
    assert_eq!(copies(&[one(), two]).len(), 1);
    let other = sample("ike::keys", &lines.replace("b(5)", "b(6)"));
    assert_eq!(copies(&[one(), other]).len(), 0);
}

/// A page that says which test prevents what must not outlive the test.
#[test]
fn the_tests_that_the_pages_name_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/past-vulnerabilities.md")).expect("the page is there");
    let hostile = fs::read_dir(root.join("tests/hostile")).expect("tests/hostile can be listed");
    let tests: String = hostile
        .map(|entry| entry.expect("tests/hostile can be listed").path())
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(|path| fs::read_to_string(path).expect("a test is text"))
        .collect();
    let named: Vec<&str> =
        page.split('`').filter(|word| word.starts_with("sec_") && !word.contains('*')).collect();
    assert!(named.len() > 20, "{named:?}");
    let gone: Vec<_> = named.iter().filter(|name| !tests.contains(&format!("fn {name}()"))).collect();
    assert!(gone.is_empty(), "docs/past-vulnerabilities.md names tests that are gone: {gone:?}");
}
