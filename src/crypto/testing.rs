//! What the tests of this layer share: hexadecimal and the files of known answers.

use std::collections::BTreeMap;

/// The octets of a hexadecimal string; blanks are skipped.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: String = digits.split_whitespace().collect();
    let octets = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16));
    octets.collect::<Result<_, _>>().unwrap_or_else(|e| panic!("{digits:?}: {e}"))
}

/// One known answer: the name in brackets and the fields below it.
pub(crate) struct KnownAnswer {
    /// The text between the brackets.
    pub(crate) name: String,
    /// Line of the file, for messages.
    pub(crate) line: usize,
    fields: BTreeMap<String, Vec<u8>>,
}

impl KnownAnswer {
    /// The octets of a field.
    pub(crate) fn field(&self, name: &str) -> &[u8] {
        self.fields.get(name).unwrap_or_else(|| panic!("line {}: no field {name}", self.line))
    }
}

/// Reads `[name]` sections of `field = hex` lines; `#` begins a comment.
pub(crate) fn known_answers(file: &str) -> Vec<KnownAnswer> {
    let mut answers: Vec<KnownAnswer> = Vec::new();
    for (number, line) in file.lines().enumerate() {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            answers.push(KnownAnswer { name: name.to_owned(), line: number + 1, fields: BTreeMap::new() });
        } else if let Some((name, value)) = line.split_once(" =").filter(|_| !line.starts_with('#')) {
            let answer = answers.last_mut().expect("a field follows a name");
            answer.fields.insert(name.to_owned(), hex(value));
        }
    }
    answers
}
