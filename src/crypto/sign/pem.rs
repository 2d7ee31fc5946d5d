//! PEM files as people have them (RFC 7468, and what came before it): text around the blocks, several blocks in a
//! file, header lines inside of them, any line width.

use zeroize::Zeroizing;

/// One `-----BEGIN label-----` block.
pub(in crate::crypto) struct Block<'a> {
    /// What is between `BEGIN ` and the dashes.
    pub(in crate::crypto) label: &'a str,
    /// Whether header lines say that the content is encrypted (RFC 1421 section 4.6.1.1).
    pub(in crate::crypto) encrypted: bool,
    body: Zeroizing<String>,
}

impl Block<'_> {
    /// The octets, or `None` where the base64 is damaged.
    pub(in crate::crypto) fn decode(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut pem = Zeroizing::new(String::with_capacity(self.body.len() * 66 / 64 + 64));
        pem.push_str("-----BEGIN X-----\n");
        let mut rest = self.body.as_str();
        while !rest.is_empty() {
            let (line, tail) = rest.split_at_checked(64).unwrap_or((rest, ""));
            pem.push_str(line);
            pem.push('\n');
            rest = tail;
        }
        pem.push_str("-----END X-----\n");
        pem_rfc7468::decode_vec(pem.as_bytes()).ok().map(|(_, der)| Zeroizing::new(der))
    }
}

/// Every complete block of a file. `None` where a block does not end or holds what is no text.
pub(in crate::crypto) fn blocks(file: &[u8]) -> Option<Vec<Block<'_>>> {
    let mut found = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for line in file.split(|b| *b == b'\n') {
        let line = line.trim_ascii();
        if let Some(label) = dashed(line, b"-----BEGIN ") {
            if open.is_some() {
                return None;
            }
            // Room for the whole file, so that growing leaves no copies of a key behind.
            let body = Zeroizing::new(String::with_capacity(file.len()));
            open = Some(Block { label, encrypted: false, body });
        } else if let Some(label) = dashed(line, b"-----END ") {
            let block = open.take()?;
            if block.label != label {
                return None;
            }
            found.push(block);
        } else if let Some(block) = &mut open {
            let text = str::from_utf8(line).ok().filter(|t| t.is_ascii())?;
            match text.split_once(':') {
                Some((name, value)) => {
                    block.encrypted |= name == "DEK-Info" || value.contains("ENCRYPTED");
                }
                None => block.body.push_str(text),
            }
        }
    }
    open.is_none().then_some(found)
}

fn dashed<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a str> {
    str::from_utf8(line.strip_prefix(start)?.strip_suffix(b"-----")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(file: &str) -> Option<Vec<Vec<u8>>> {
        blocks(file.as_bytes())?.iter().map(|b| b.decode().map(|der| der.to_vec())).collect()
    }

    #[test]
    fn text_around_and_odd_lines_are_taken() {
        let file = "Certificate: x\n-----BEGIN A-----\r\nAQ\nID\n-----END A-----\nmore\n\
                    -----BEGIN B-----\nBAU=\n-----END B-----";
        assert_eq!(decoded(file), Some(vec![vec![1, 2, 3], vec![4, 5]]));
    }

    #[test]
    fn damaged_blocks_are_refused() {
        assert!(blocks(b"-----BEGIN A-----\nAQID\n").is_none());
        assert!(blocks(b"-----BEGIN A-----\nAQID\n-----END B-----\n").is_none());
        assert!(blocks(b"-----BEGIN A-----\n-----BEGIN A-----\n-----END A-----\n").is_none());
        assert_eq!(decoded("-----BEGIN A-----\nA*ID\n-----END A-----\n"), None);
    }

    #[test]
    fn encryption_headers_are_seen() {
        let file =
            b"-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAQID\n-----END A-----\n";
        assert!(blocks(file).is_some_and(|b| b[0].encrypted));
    }
}
