//! A policy as text, for comparing with what is expected.

use std::fmt::Write;

use coati::ike::policy::{Phase1Exchange, Phase1Policy, Phase2Policy, Policy, SourceRef};

pub(crate) fn show(policy: &Policy) -> String {
    let mut out = String::new();
    for p in &policy.phase1 {
        phase1(&mut out, p);
    }
    for p in &policy.phase2 {
        phase2(&mut out, p);
    }
    for c in &policy.connections {
        writeln!(
            out,
            "connection {} {} local {:?} remote {:?} {} {:?} <{}> {}",
            c.name, c.selector, c.local, c.remote, c.mode, c.start, c.at.text, c.at
        )
        .expect("text");
    }
    for f in &policy.flows {
        writeln!(out, "flow {:?} {} {:?} {:?}", f.direction, f.selector, f.action, f.ids).expect("text");
    }
    out
}

fn place(at: &SourceRef) -> String {
    format!("<{}> {at}", at.text)
}

fn phase1(out: &mut String, p: &Phase1Policy) {
    writeln!(
        out,
        "phase1 {} remote {:?} local {:?} id {:?} peer {:?}{}{}{}",
        p.name,
        p.remote,
        p.local,
        p.my_id,
        p.peer_ids,
        if p.passive { " passive" } else { "" },
        if p.exchanges == [Phase1Exchange::Aggressive] { " aggressive" } else { "" },
        p.dpd_delay.map(|d| format!(" dpd {d:?}")).unwrap_or_default(),
    )
    .expect("text");
    for psk in &p.psks.entries {
        writeln!(out, "  psk for {:?} of {} octets {}", psk.owner, psk.key.expose().len(), psk.at)
            .expect("text");
    }
    if let Some(credential) = &p.credential {
        let certificate = credential.certificate().expect("keys without certificate are not read here");
        writeln!(out, "  certificate {}", certificate.subject()).expect("text");
    }
    for anchor in p.trust.anchors() {
        writeln!(out, "  trust {}", anchor.subject()).expect("text");
    }
    for t in &p.transforms {
        writeln!(out, "  transform {}", place(&t.at)).expect("text");
        writeln!(
            out,
            "    {} {} bits, accepts {} {}",
            t.cipher.value,
            t.key_bits.value.offer,
            t.key_bits.value,
            place(&t.cipher.at)
        )
        .expect("text");
        writeln!(out, "    {} {}", t.hash.value, place(&t.hash.at)).expect("text");
        writeln!(out, "    {:?} {}", t.auth.value, place(&t.auth.at)).expect("text");
        writeln!(out, "    {} {}", t.group.value, place(&t.group.at)).expect("text");
        writeln!(
            out,
            "    {} s, accepts {} {}",
            t.seconds.value.offer,
            t.seconds.value,
            place(&t.seconds.at)
        )
        .expect("text");
    }
}

fn phase2(out: &mut String, p: &Phase2Policy) {
    writeln!(out, "phase2 {} with {:?}", p.name, p.phase1).expect("text");
    for t in &p.transforms {
        let auth =
            t.auth.as_ref().map(|a| format!("{} icv {} {}", a.value.hash, a.value.icv_len, place(&a.at)));
        let bits = format!("{} bits, accepts {}", t.key_bits.value.offer, t.key_bits.value);
        let cipher = t.cipher.as_ref().map(|c| format!("{} {bits} {}", c.value, place(&c.at)));
        writeln!(out, "  {} {}", t.protocol, place(&t.at)).expect("text");
        for line in [cipher, auth].into_iter().flatten() {
            writeln!(out, "    {line}").expect("text");
        }
    }
    writeln!(out, "  pfs {:?} {}", p.pfs.value, place(&p.pfs.at)).expect("text");
    writeln!(out, "  {} s, accepts {} {}", p.seconds.value.offer, p.seconds.value, place(&p.seconds.at))
        .expect("text");
}
