use super::*;

fn dn(text: &str) -> Vec<u8> {
    parse_dn(text).unwrap()
}

/// One RDN with a CN of that string type.
fn cn(tag: u8, octets: &[u8]) -> Vec<u8> {
    let size = |n: usize| u8::try_from(n).unwrap();
    let value = [&[6, 3, 0x55, 4, 3, tag, size(octets.len())], octets].concat();
    let attribute = [&[0x30, size(value.len())], &value[..]].concat();
    let set = [&[0x31, size(attribute.len())], &attribute[..]].concat();
    [&[0x30, size(set.len())], &set[..]].concat()
}

#[test]
fn the_octets_are_those_of_openssl() {
    let expected = b"\x30\x35\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x13\x02\x53\x45\x31\x0c\x30\x0a\x06\x03\x55\x04\x0a\
        \x0c\x03\x4c\x61\x62\x31\x18\x30\x16\x06\x03\x55\x04\x03\x0c\x0f\x67\x77\x41\x2e\x6c\x61\x62\x2e\x65\x78\x61\
        \x6d\x70\x6c\x65";
    assert_eq!(dn("C=SE, O=Lab, CN=gwA.lab.example"), expected);
    assert_eq!(dn("/C=SE/O=Lab/CN=gwA.lab.example"), expected);
    assert_eq!(dn("countryName = SE ,2.5.4.10=Lab,OID.2.5.4.3=gwA.lab.example "), expected);
    let hex: String = expected.iter().map(|b| format!("{b:02X}")).collect();
    assert_eq!(dn(&format!("~{hex}")), expected);
    assert_eq!(display(expected), "/C=SE/O=Lab/CN=gwA.lab.example");
}

#[test]
fn text_and_back() {
    for (text, shown) in [
        ("CN=x, emailAddress=a@b.example", "/CN=x/emailAddress=a@b.example"),
        ("DC=example, DC=org, UID=u", "/DC=example/DC=org/UID=u"),
        (r"O=Foo\, Bar\+Co, CN=\ x\20", "/O=Foo, Bar+Co/CN= x "),
        ("O=A+B, CN=x", "/O=A+B/CN=x"),
        ("CN=a+OU=b, O=c", "/CN=a+OU=b/O=c"),
        (r"CN=M\C3\BCller", r"/CN=M\xC3\xBCller"),
        ("1.2.3.4=x", "/1.2.3.4=x"),
    ] {
        assert_eq!(display(&dn(text)), shown);
    }
    assert_eq!(display(&cn(30, b"\0a\0\xe4")), r"/CN=a\xC3\xA4");
    assert_eq!(display(&cn(12, b"a\n\x1b[2J")), r"/CN=a\x0A\x1B[2J");
    assert_eq!(display(b"\x01\x02"), "not a distinguished name: 0102");
    assert_eq!(display(b"\x30\x00"), "");
}

#[test]
fn faults_are_told_with_their_place() {
    for (text, error) in [
        ("", NameError::Empty),
        ("  ", NameError::Empty),
        ("/", NameError::Empty),
        ("C=SE, Lab, CN=x", NameError::MissingEquals(6)),
        ("C=SE, bogus=x", NameError::UnknownType(6)),
        ("C=SE, 9.9.9=x", NameError::UnknownType(6)),
        (r"CN=a\", NameError::Escape(4)),
        (r"CN=a\z", NameError::Escape(4)),
        (r"CN=\FF", NameError::Value(3)),
        ("C=S_E", NameError::Value(2)),
        ("emailAddress=ä", NameError::Value(13)),
        ("C=SE, CN=", NameError::Value(9)),
        ("~3", NameError::Hex),
        ("~30", NameError::Hex),
        ("~zz", NameError::Hex),
    ] {
        assert_eq!(parse_dn(text), Err(error), "{text:?}");
    }
}

#[test]
fn what_does_not_matter_does_not_count() {
    for (a, b) in [
        (cn(12, b"Gw Example"), cn(19, b"gw  EXAMPLE ")),
        (cn(22, b"gw"), cn(30, b"\0G\0W")),
        (cn(28, b"\0\0\0g"), cn(18, b"G")),
        (cn(20, b"M\xdcller"), cn(12, "müller".as_bytes())),
        (dn("CN=a+OU=b"), dn("OU=B+CN=A")),
    ] {
        assert!(canonical_eq(&a, &b));
    }
}

#[test]
fn what_matters_counts() {
    for (a, b) in [
        (cn(12, b"gw"), cn(12, b"gx")),
        (cn(12, b"g w"), cn(12, b"gw")),
        (cn(4, b"gw"), cn(12, b"gw")),
        (cn(4, b"gw"), cn(4, b"GW")),
        (cn(12, b"\xff"), cn(12, b"\xfe")),
        (dn("C=SE, O=Lab"), dn("O=Lab, C=SE")),
        (dn("C=SE, CN=a, CN=b"), dn("C=SE, CN=a+CN=b")),
        (dn("O=a"), dn("OU=a")),
    ] {
        assert!(!canonical_eq(&a, &b));
    }
}

/// CVE-2013-6075: no prefix of a name is that name, cut anywhere.
#[test]
fn sec_dn_short() {
    let name = dn("C=SE, O=Lab, CN=gw");
    assert!(canonical_eq(&name, &name));
    for len in 0..name.len() {
        assert!(!canonical_eq(&name[..len], &name));
        assert!(!canonical_eq(&name, &name[..len]));
    }
    assert!(!canonical_eq(&dn("C=SE, O=Lab"), &name));
    assert!(!canonical_eq(&[&name[..], &[0]].concat(), &name));
    assert!(!canonical_eq(b"", b""));
}

#[test]
fn wild_values_in_patterns() {
    let name = dn("C=SE, O=Lab, CN=gw+OU=x");
    for pattern in ["C=SE, O=*, CN=gw+OU=x", "C=*, O=*, CN=*+OU=*", "c=se, O=lab, OU=X+CN=*"] {
        assert!(matches_pattern(&dn(pattern), &name), "{pattern}");
    }
    for pattern in ["C=SE, O=*", "C=SE, O=*, CN=*", "C=SE, OU=*, CN=gw+OU=x", "C=SE, O=L*, CN=gw+OU=x"] {
        assert!(!matches_pattern(&dn(pattern), &name), "{pattern}");
    }
    assert!(matches_pattern(&dn("CN=*+CN=a"), &dn("CN=a+CN=b")));
    assert!(!matches_pattern(&name, &dn("C=*, O=*, CN=*+OU=*")));
    assert!(!canonical_eq(&dn("C=*"), &dn("C=SE")));
}
