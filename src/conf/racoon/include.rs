//! Which files an `include` names: a path that may begin with `~`, with `*`, `?` and `[..]` in any of its parts.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::conf::environment::Environment;

/// How many paths a pattern may stand for on the way.
const MAX_PATHS: usize = 4096;

/// The files, sorted; an error when there is none, as in racoon.
pub(super) fn expand(env: &dyn Environment, pattern: &Path) -> io::Result<Vec<PathBuf>> {
    if !is_pattern(&pattern.to_string_lossy()) {
        return Ok(vec![pattern.to_owned()]);
    }
    let mut paths = vec![PathBuf::new()];
    for component in pattern.components() {
        let part = component.as_os_str().to_string_lossy();
        if !matches!(component, Component::Normal(_)) || !is_pattern(&part) {
            paths.iter_mut().for_each(|path| path.push(component));
            continue;
        }
        let part: Vec<_> = part.chars().collect();
        // A folder that is not there, or none at all, has nothing that fits.
        let inside = paths.iter().flat_map(|path| {
            let folder = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            env.read_dir(folder).unwrap_or_default()
        });
        paths = inside.filter(|path| fits(&part, path)).take(MAX_PATHS).collect();
    }
    // What follows the last star need not be in every folder.
    paths.retain(|path| is_there(env, path));
    paths.sort();
    let missing = || io::Error::new(io::ErrorKind::NotFound, "no file matches");
    if paths.is_empty() { Err(missing()) } else { Ok(paths) }
}

/// The path with the home directory of the user who runs us, or of a named one, in place of `~` and `~name`.
pub(super) fn expand_home(env: &dyn Environment, pattern: &str) -> PathBuf {
    let home = pattern.strip_prefix('~').and_then(|rest| {
        let (user, rest) = rest.split_once('/').unwrap_or((rest, ""));
        Some(env.home_of(Some(user).filter(|user| !user.is_empty()))?.join(rest))
    });
    home.unwrap_or_else(|| PathBuf::from(pattern))
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn fits(part: &[char], path: &Path) -> bool {
    let file = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    // A hidden file has to be asked for.
    (!file.starts_with('.') || part.first() == Some(&'.')) && matches(part, &file.chars().collect::<Vec<_>>())
}

fn is_there(env: &dyn Environment, path: &Path) -> bool {
    let Some(folder) = path.parent() else { return false };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    env.read_dir(folder).is_ok_and(|all| all.iter().any(|found| found.file_name() == path.file_name()))
}

/// Shell patterns; linear in the text but for the stars, of which file names have few.
fn matches(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
        } else if let Some(next) = one(pattern, p, text[t]) {
            p = next;
            t += 1;
        } else if let Some((star_p, star_t)) = star {
            (p, t) = (star_p + 1, star_t + 1);
            star = Some((star_p, star_t + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Whether the pattern's part at `p` fits the character: where the next part begins.
fn one(pattern: &[char], p: usize, c: char) -> Option<usize> {
    match pattern.get(p)? {
        '?' => Some(p + 1),
        '[' => {
            let Some(len) = pattern[p + 1..].iter().position(|x| *x == ']') else {
                // Without its end it is a character like others.
                return (c == '[').then_some(p + 1);
            };
            let close = p + 1 + len;
            let set = &pattern[p + 1..close];
            let (negated, set) = match set.split_first() {
                Some(('!' | '^', rest)) => (true, rest),
                _ => (false, set),
            };
            let range = set.windows(3).any(|w| w[1] == '-' && w[0] <= c && c <= w[2]);
            ((range || set.contains(&c)) != negated).then_some(close + 1)
        }
        literal => (*literal == c).then_some(p + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_like_a_shell() {
        let fits = |p: &str, t: &str| matches(&p.chars().collect::<Vec<_>>(), &t.chars().collect::<Vec<_>>());
        for (pattern, text, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf~", false),
            ("remote?.conf", "remote1.conf", true),
            ("[a-c]*", "bx", true),
            ("[!a-c]*", "bx", false),
            ("*a*b", "xaxxb", true),
            ("a[b", "a[b", true),
            ("a[b", "ab", false),
            ("*", "", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
