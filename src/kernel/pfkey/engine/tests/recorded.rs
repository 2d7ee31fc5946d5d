//! What real kernels have said, byte for byte.

use super::*;

/// Seen on FreeBSD 12.2: a packet meets the policy 11.
const FREEBSD_ACQUIRE: &str = "020600034c000000010000000000000003000500ff200000100200000a630002000000000000000003000600ff2000001002\
     00000a630001000000000000000002001200020002000b000000000000000200130002000000000000004d00000040000d00\
     2000000000070000000000000001c00100000000010000000100000000000000000000000000000000000000000000000000\
     0000805101000000000080700000000000000000000000000000000b00000000000000010008000000000100000001000000\
     000000000000000000000000000000000000000000000000805101000000000080700000000000000000000000000000000c\
     0000000000000001000100000000010000000100000000000000000000000000000000000000000000000000000080510100\
     0000000080700000000000000000000000000000000d00000000000000010001000000000100000001000000000000000000\
     0000000000000000000000000000000000008051010000000000807000000000000000000000000000000014000000000000\
     0001000100000000010000000100000000000000000000000000000000000000000000000000000080510100000000008070\
     0000000000000000000000000000001600000000000000010001000000000100000001000000000000000000000000000000\
     0000000000000000000000008051010000000000807000000000000000000000000000000017000000000000000100010000\
     0000010000000100000000000000000000000000000000000000000000000000000080510100000000008070000000000000\
     0000000000000000";
/// Its answer to the SPDADD of that policy; SPDGET is answered by the same.
const FREEBSD_POLICY: &str = "020e00000f000000b10000000100000007001200020002000b000000000000002800320002034d00100200000a6300020000\
     000000000000100200000a630001000000000000000003000500ff200000100200000a630002000000000000000003000600\
     ff200000100200000a6300010000000000000000";
/// A soft limit of octets has been passed.
const FREEBSD_SOFT: &str = "02080003140002001b0000000000000002000100000090310402050c00000000020013000200000002000000000000000400\
     0200020000009801000000000000b800046b00000000b800046b0000000004000400000000002c0100000000000000000000\
     00000000000000000000000003000500ff200000100200000a630002000000000000000003000600ff200000100200000a63\
     00010000000000000000";
/// The hard one.
const FREEBSD_HARD: &str = "02080003140002001b0000000000000002000100000090310403050c00000000020013000200000003000000000000000400\
     0200030000006402000000000000b800046b00000000b800046b000000000400030000000000580200000000000000000000\
     00000000000000000000000003000500ff200000100200000a630002000000000000000003000600ff200000100200000a63\
     00010000000000000000";
/// Seen on OpenBSD 7.6-current.
const OPENBSD_ACQUIRE: &str = "020600021a00000001000000000000000300050000000000100200000a630002000000000000000003000600000000001002\
     00000a630001000000000000000004000a0001000000000000000000000031302e39392e302e322f33320000000004000b00\
     01000000000000000000000031302e39392e302e312f3332000000000a000d0001000000030c0100a000a000800000010000\
     000000000000000000000000000000000000000000000000000080380100000000008051010000000000100e000000000000\
     201c000000000000";
/// Its answer to X_ASKPOLICY.
const OPENBSD_ASKED: &str = "020f000210000000b200000001000000030011000000000010020000ffffffff000000000000000003001200000000001002\
     0000ffffffff000000000000000001001400000200000300150000000000100200000a630002000000000000000003001600\
     00000000100200000a63000100000000000000000100190001000000";
/// A soft limit of octets has been passed; the limit is not in it.
const OPENBSD_SOFT: &str = "0208000212000000040000000000000002000100000090311001050c0400000004000200000000008001000000000000e200\
     046b00000000e200046b00000000040004000000000000000000000000000000000000000000000000000000000003000500\
     00000000100200000a63000200000000000000000300060000000000100200000a6300010000000000000000";
/// The hard one.
const OPENBSD_HARD: &str = "0208000212000000050000000000000002000100000090311001050c0400000004000200000000008002000000000000e200\
     046b00000000e200046b00000000040003000000000058020000000000000000000000000000000000000000000003000500\
     00000000100200000a63000200000000000000000300060000000000100200000a6300010000000000000000";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

impl Talk {
    fn hear(&mut self, hex: &str) {
        self.engine.handle_message(self.now, &bytes(hex));
    }

    /// A recorded answer, to this question instead of the recorded one.
    fn answer_as_recorded(&mut self, question: &Message, hex: &str) {
        let mut answer = bytes(hex);
        answer[1] = question.emit(self.dialect())[1];
        answer[8..12].copy_from_slice(&question.header.seq.to_ne_bytes());
        answer[12..16].copy_from_slice(&PID.to_ne_bytes());
        self.engine.handle_message(self.now, &answer);
    }
}

#[test]
fn freebsds_acquire() {
    let mut talk = Talk::registered(Dialect::FreeBsd);
    talk.hear(FREEBSD_ACQUIRE);
    let question = talk.sent(MessageType::SpdGet);
    assert_eq!(question.policy().unwrap().id, 11);
    talk.answer_as_recorded(&question, FREEBSD_POLICY);
    let rule = SecurityRule {
        protocol: Protocol::Esp,
        mode: Mode::Tunnel,
        endpoints: Some(endpoints()),
        level: Level::Unique(77),
    };
    let selector = Selector::between(Prefix::host(us()), Prefix::host(peer()));
    let expected =
        KernelEvent::Acquire { id: AcquireId(1), selector, endpoints: endpoints(), rules: vec![rule] };
    assert_eq!(talk.event(), expected);
    talk.quiet();
}

#[test]
fn openbsds_acquire() {
    let mut talk = Talk::registered(Dialect::OpenBsd);
    talk.hear(OPENBSD_ACQUIRE);
    let question = talk.sent(MessageType::AskPolicy);
    talk.answer_as_recorded(&question, OPENBSD_ASKED);
    let rule = SecurityRule {
        protocol: Protocol::Esp,
        mode: Mode::Transport,
        endpoints: None,
        level: Level::Require,
    };
    let selector = Selector::between(Prefix::host(us()), Prefix::host(peer()));
    let expected =
        KernelEvent::Acquire { id: AcquireId(1), selector, endpoints: endpoints(), rules: vec![rule] };
    assert_eq!(talk.event(), expected);
    talk.quiet();
}

#[test]
fn limits_of_octets() {
    for (dialect, soft, hard) in
        [(Dialect::FreeBsd, FREEBSD_SOFT, FREEBSD_HARD), (Dialect::OpenBsd, OPENBSD_SOFT, OPENBSD_HARD)]
    {
        let mut talk = Talk::registered(dialect);
        talk.hear(soft);
        talk.hear(hard);
        talk.quiet();
        let sa = talk.install(0x8031, 0x9031).outbound.0.id();
        talk.hear(soft);
        assert_eq!(talk.event(), KernelEvent::Expire { sa, hard: false });
        talk.hear(hard);
        assert_eq!(talk.event(), KernelEvent::Expire { sa, hard: true });
        talk.quiet();
    }
}

#[test]
fn no_damage_to_a_message_does_harm() {
    for (dialect, recorded) in [
        (Dialect::FreeBsd, [FREEBSD_ACQUIRE, FREEBSD_POLICY, FREEBSD_SOFT, FREEBSD_HARD]),
        (Dialect::OpenBsd, [OPENBSD_ACQUIRE, OPENBSD_ASKED, OPENBSD_SOFT, OPENBSD_HARD]),
    ] {
        let mut talk = Talk::registered(dialect);
        talk.install(0x8031, 0x9031);
        for hex in recorded {
            let whole = bytes(hex);
            for at in 0..whole.len() {
                for mask in [0x01, 0x80, 0xff] {
                    let mut damaged = whole.clone();
                    damaged[at] ^= mask;
                    // Also as an answer to whatever is under way.
                    for pid in [0, PID] {
                        damaged[12..16].copy_from_slice(&pid.to_ne_bytes());
                        talk.engine.handle_message(talk.now, &damaged);
                        talk.engine.handle_message(talk.now, &damaged[..at]);
                    }
                }
                talk.pass(Duration::from_millis(100));
                while talk.engine.poll_event().is_some() || talk.engine.poll_write().is_some() {}
            }
        }
        // It goes on as before, once everything that was under way has been refused.
        for _ in 0..1000 {
            while talk.engine.poll_event().is_some() {}
            match talk.engine.poll_write() {
                Some(question) => {
                    let question = Message::parse(dialect, question.expose()).unwrap();
                    talk.refuse(&question, 2);
                }
                None if talk.engine.poll_timeout().is_some() => talk.pass_to_timeout(),
                None => break,
            }
        }
        assert_eq!(talk.engine.poll_timeout(), None);
        talk.reserve(0xa001, None);
    }
}
