//! A small model of a kernel behind PF_KEY: what FreeBSD 12 and OpenBSD 7 were seen to do with each message, as far as a
//! daemon can tell.

use std::net::IpAddr;

use coati::kernel::pfkey::{
    Address, AddressRole, AlgorithmKind, Association, Dialect, Extension, Header, KamePolicy, KeyUse,
    LifetimeBody, LifetimeKind, Message, MessageType, Network, ProtocolBody, ProtocolRole, SaType,
    SocketAddress, SupportedAlgorithm,
};
use coati::sadb::{FlowPolicy, SaId};

const ESRCH: u8 = 3;
const ENOENT: u8 = 2;
const EEXIST: u8 = 17;
const EINVAL: i32 = 22;

/// Who hears an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum To {
    Sender,
    All,
}

struct Sa {
    id: SaId,
    src: IpAddr,
    /// As it was given; of a larval one only the addresses count.
    message: Message,
    is_larval: bool,
}

/// The kernel.
pub(crate) struct Model {
    dialect: Dialect,
    /// The host's own address.
    address: IpAddr,
    sas: Vec<Sa>,
    /// Entries of the SPD, or flows, with their numbers.
    policies: Vec<(u32, Message)>,
    next_spi: u32,
    next_policy: u32,
    next_acquire: u32,
    /// The one process that writes.
    pid: Option<u32>,
    /// Whether it is an operator who writes, program after program, and not a daemon.
    is_operators: bool,
    /// Which policy each ACQUIRE was about.
    acquires: Vec<(u32, Message)>,
}

type Answers = Result<Vec<(To, Message)>, i32>;

impl Model {
    pub(crate) fn new(dialect: Dialect, address: IpAddr, first_spi: u32) -> Self {
        Self {
            dialect,
            address,
            sas: Vec::new(),
            policies: Vec::new(),
            next_spi: first_spi,
            next_policy: 1,
            next_acquire: 1,
            pid: None,
            is_operators: false,
            acquires: Vec::new(),
        }
    }

    /// One that an operator speaks to.
    pub(crate) fn for_operators(dialect: Dialect) -> Self {
        Self { is_operators: true, ..Self::new(dialect, IpAddr::from([192, 0, 2, 1]), 0x1001) }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Another process will write.
    pub(crate) fn forget_writer(&mut self) {
        self.pid = None;
    }

    /// As if setkey had loaded it.
    pub(crate) fn load_policy(&mut self, policy: &FlowPolicy) {
        for message in self.dialect.install_policy(policy).unwrap() {
            self.put_policy(message);
        }
    }

    /// The kernel restarts; `and_loads` the policies of setkey again.
    pub(crate) fn forget_everything(&mut self, and_loads: bool) {
        self.sas.clear();
        self.acquires.clear();
        if !and_loads {
            self.policies.clear();
        }
    }

    pub(crate) fn spis(&self) -> Vec<u32> {
        self.sas.iter().map(|sa| sa.id.spi.value()).collect()
    }

    pub(crate) fn policy_count(&self) -> usize {
        self.policies.len()
    }

    /// What packets are received with.
    pub(crate) fn inbound(&self) -> Vec<u32> {
        let mature = self.sas.iter().filter(|sa| !sa.is_larval && sa.id.dst == self.address);
        mature.map(|sa| sa.id.spi.value()).collect()
    }

    /// What packets are sent with: on FreeBSD the oldest SA, on OpenBSD the newest.
    pub(crate) fn outbound(&self) -> Option<u32> {
        let mut mature = self.sas.iter().filter(|sa| !sa.is_larval && sa.src == self.address);
        let used = if self.dialect.is_kame() { mature.next() } else { mature.next_back() };
        used.map(|sa| sa.id.spi.value())
    }

    /// A packet has met the first outbound policy and found no SA.
    pub(crate) fn acquire(&mut self) -> Message {
        let seq = self.next_acquire;
        self.next_acquire += 1;
        let (id, policy) = self.policies.iter().find(|(_, policy)| is_outbound(policy)).expect("a policy");
        let mut acquire = Message::new(MessageType::Acquire, SaType::Esp);
        acquire.header.seq = seq;
        if let Some(body) = policy.policy() {
            let (src, dst) = body.requests[0].addresses.clone().expect("a tunnel");
            let end = |role, socket| {
                Extension::Address(
                    role,
                    Address { protocol: 255, prefix_len: 32, reserved: 0, socket, rest: Vec::new() },
                )
            };
            let head = KamePolicy { id: *id, requests: Vec::new(), ..body.clone() };
            acquire = acquire
                .with(end(AddressRole::Src, src))
                .with(end(AddressRole::Dst, dst))
                .with(Extension::Policy(head));
        } else {
            let told = policy.extensions.iter().filter(|e| {
                matches!(
                    e,
                    Extension::Address(AddressRole::Src | AddressRole::Dst, _) | Extension::Identity(..)
                )
            });
            acquire = acquire.with_all(told.cloned());
        }
        self.acquires.push((seq, policy.clone()));
        acquire
    }

    /// A lifetime of an SA has ended.
    pub(crate) fn expire(&mut self, spi: u32, hard: bool) -> Message {
        let at = self.sas.iter().position(|sa| sa.id.spi.value() == spi).expect("an SA");
        let mut message = naming(&self.sas[at].message, MessageType::Expire);
        // Kernels leave the SA's own number here.
        message.header.seq = 5;
        if hard {
            self.sas.remove(at);
        }
        let kind = if hard { LifetimeKind::Hard } else { LifetimeKind::Soft };
        message.with(Extension::Lifetime(kind, LifetimeBody::default()))
    }

    /// Another process deletes an SA.
    pub(crate) fn deleted_by_another(&mut self, spi: u32) -> Message {
        let at = self.sas.iter().position(|sa| sa.id.spi.value() == spi).expect("an SA");
        let sa = self.sas.remove(at);
        let mut message = naming(&sa.message, MessageType::Delete);
        (message.header.pid, message.header.seq) = (1, 1);
        message
    }

    /// What becomes of a message, and who hears what of it.
    pub(crate) fn handle(&mut self, message: &Message) -> Answers {
        let header = &message.header;
        assert_eq!((header.version, header.reserved), (2, 0));
        if self.is_operators {
            self.pid = None;
        }
        assert_eq!(*self.pid.get_or_insert(header.pid), header.pid, "the pid is that of the writer");
        match header.kind {
            MessageType::Register => Ok(vec![(self.usual(), self.supported(message))]),
            MessageType::GetSpi => self.get_spi(message),
            MessageType::Update => self.install(message, true),
            MessageType::Add => self.install(message, false),
            MessageType::Delete => self.delete(message),
            MessageType::Get => self.get(message),
            MessageType::Promisc => Ok(vec![(To::All, message.clone())]),
            MessageType::Dump => Ok(self.dump(message)),
            MessageType::Flush => {
                let protocol = header.satype.protocol();
                self.sas.retain(|sa| protocol.is_some_and(|protocol| protocol != sa.id.protocol));
                Ok(vec![(To::All, message.clone())])
            }
            MessageType::SpdFlush => {
                self.policies.clear();
                Ok(vec![(To::All, message.clone())])
            }
            MessageType::SpdAdd if self.policies.iter().any(|(_, p)| is_same_policy(p, message)) => {
                self.refuse(message, EEXIST)
            }
            MessageType::SpdAdd | MessageType::SpdUpdate | MessageType::AddFlow => {
                let mut answer = message.clone();
                let id = self.put_policy(message.clone());
                set_id(&mut answer, id);
                Ok(vec![(To::All, answer)])
            }
            MessageType::SpdDelete | MessageType::DelFlow => self.delete_policy(message),
            MessageType::SpdGet => self.get_policy(message),
            MessageType::SpdDump => Ok(self.dump_policies(message)),
            MessageType::AskPolicy => self.ask_policy(message),
            // Nobody answers the news that a negotiation has failed.
            MessageType::Acquire if self.dialect.is_kame() => {
                assert_ne!(header.errno, 0);
                Ok(Vec::new())
            }
            _ => Err(EINVAL),
        }
    }

    /// OpenBSD shows everything to everyone.
    fn usual(&self) -> To {
        if self.dialect.is_kame() { To::Sender } else { To::All }
    }

    fn refuse(&self, message: &Message, errno: u8) -> Answers {
        Ok(vec![(self.usual(), refusal(self.dialect, message, errno))])
    }

    fn supported(&self, message: &Message) -> Message {
        let all = |ids: &[u8]| {
            let one =
                |id: &u8| SupportedAlgorithm { id: *id, min_bits: 128, max_bits: 256, ..Default::default() };
            ids.iter().map(one).collect()
        };
        message
            .clone()
            .with(Extension::Supported(AlgorithmKind::Auth, 0, all(&[3, 5, 6, 7])))
            .with(Extension::Supported(AlgorithmKind::Encrypt, 0, all(&[11, 12])))
    }

    fn get_spi(&mut self, message: &Message) -> Answers {
        let range = message.extensions.iter().find_map(|extension| match extension {
            Extension::SpiRange(range) => Some((range.min, range.max)),
            _ => None,
        });
        let (min, max) = range.expect("a range");
        // FreeBSD below 14 finds nothing in a range of one.
        assert!(min >= 256 && min < max);
        assert_eq!(message.sa2().is_some(), self.dialect.is_kame(), "mode and request id are KAME's");
        let spi = self.next_spi;
        self.next_spi += 1;
        let body = Association { spi: Network(spi), state: 1, ..Association::default() };
        let mut answer = Message { header: message.header, extensions: vec![Extension::Sa(body)] };
        let ends = message.extensions.iter().filter(|e| matches!(e, Extension::Address(..)));
        answer.extensions.extend(ends.cloned());
        self.push(answer.clone(), true);
        Ok(vec![(self.usual(), answer)])
    }

    fn push(&mut self, message: Message, is_larval: bool) {
        let named = self.dialect.read_sa(&message).unwrap();
        self.sas.push(Sa { id: named.id, src: named.src.expect("a source"), message, is_larval });
    }

    fn install(&mut self, message: &Message, update: bool) -> Answers {
        let named = self.dialect.read_sa(message).unwrap();
        if !self.is_operators {
            self.check_sa(message);
        }
        let place = self.sas.iter().position(|sa| sa.id == named.id);
        match (update, place) {
            (true, None) if self.dialect.is_kame() => {
                return self.refuse(message, u8::try_from(EINVAL).unwrap());
            }
            (true, None) => return self.refuse(message, ESRCH),
            (false, Some(_)) => return self.refuse(message, EEXIST),
            (true, Some(at)) => {
                assert!(self.sas[at].is_larval, "keys are given once");
                self.sas.remove(at);
            }
            (false, None) => {}
        }
        self.push(message.clone(), false);
        let mut answer = message.clone();
        answer.extensions.retain(|e| !matches!(e, Extension::Key(..)));
        Ok(vec![(To::All, answer)])
    }

    /// What each kernel insists on in an SA.
    fn check_sa(&self, message: &Message) {
        let body = message.association().expect("an SA");
        let has = |wanted| {
            message.extensions.iter().any(|e| matches!(e, Extension::Key(what, _) if *what == wanted))
        };
        let limits = [LifetimeKind::Hard, LifetimeKind::Soft].map(|kind| message.lifetime(kind).is_some());
        assert_eq!(body.state, 1, "mature");
        assert!(has(KeyUse::Encrypt) && has(KeyUse::Auth));
        if self.dialect.is_kame() {
            assert_eq!(limits[0], limits[1], "FreeBSD wants both limits or neither");
            // setkey sets one flag: sequence numbers may begin anew.
            let is_known = matches!(body.flags, 0 | 0x40);
            assert!(body.replay >= 8 && is_known, "64 packets are 8 octets of bitmap: {body:?}");
            assert!(message.sa2().is_some_and(|sa2| sa2.mode == 2));
        } else {
            assert_eq!((body.replay, body.flags), (64, 4), "a window of 64 packets, and a tunnel");
            assert!(message.sa2().is_none());
            let ports = [AddressRole::Src, AddressRole::Dst]
                .map(|role| message.address(role).map(|a| a.socket.port()));
            assert_eq!(ports, [Some(0); 2]);
        }
    }

    fn get(&self, message: &Message) -> Answers {
        let named = self.dialect.read_sa(message).unwrap();
        match self.sas.iter().find(|sa| sa.id == named.id && Some(sa.src) == named.src) {
            Some(sa) => Ok(vec![(To::Sender, Message { header: message.header, ..sa.message.clone() })]),
            None => self.refuse(message, ESRCH),
        }
    }

    fn delete(&mut self, message: &Message) -> Answers {
        if self.dialect.is_kame() && message.association().is_none() {
            let end = |role| message.address(role).and_then(|address| address.socket.ip());
            let (src, dst) = (end(AddressRole::Src), end(AddressRole::Dst));
            self.sas.retain(|sa| (Some(sa.src), Some(sa.id.dst)) != (src, dst));
            return Ok(vec![(To::All, message.clone())]);
        }
        let named = self.dialect.read_sa(message).unwrap();
        // FreeBSD wants the right source as well.
        let is_it = |sa: &Sa| sa.id == named.id && (!self.dialect.is_kame() || Some(sa.src) == named.src);
        let Some(at) = self.sas.iter().position(is_it) else { return self.refuse(message, ESRCH) };
        self.sas.remove(at);
        Ok(vec![(To::All, message.clone())])
    }

    /// KAME counts down to 0 and says that there is nothing; OpenBSD says nothing then.
    fn dump(&self, question: &Message) -> Vec<(To, Message)> {
        let satype = question.header.satype.protocol();
        let wanted: Vec<_> =
            self.sas.iter().filter(|sa| satype.is_none_or(|p| p == sa.id.protocol)).collect();
        if wanted.is_empty() {
            let nothing = self.dialect.is_kame().then(|| refusal(self.dialect, question, ENOENT));
            return nothing.into_iter().map(|message| (To::Sender, message)).collect();
        }
        let last = wanted.len() - 1;
        let entry = |(at, sa): (usize, &&Sa)| {
            let mut entry = sa.message.clone();
            entry.header = Header { satype: entry.header.satype, ..question.header };
            entry.header.seq = u32::try_from(last - at).unwrap();
            (To::Sender, entry)
        };
        wanted.iter().enumerate().map(entry).collect()
    }

    fn put_policy(&mut self, mut message: Message) -> u32 {
        self.policies.retain(|(_, policy)| !is_same_policy(policy, &message));
        let id = self.next_policy;
        self.next_policy += 1;
        set_id(&mut message, id);
        self.policies.push((id, message));
        id
    }

    fn delete_policy(&mut self, message: &Message) -> Answers {
        let before = self.policies.len();
        if !self.dialect.is_kame() {
            let outer =
                [AddressRole::Src, AddressRole::Dst].into_iter().find_map(|role| message.address(role));
            assert!(outer.is_none(), "DELFLOW takes no addresses");
        }
        self.policies.retain(|(_, policy)| !is_same_policy(policy, message));
        match (self.policies.len() == before, self.dialect.is_kame()) {
            (true, true) => self.refuse(message, u8::try_from(EINVAL).unwrap()),
            (true, false) => self.refuse(message, ESRCH),
            (false, _) => Ok(vec![(To::All, message.clone())]),
        }
    }

    fn get_policy(&self, message: &Message) -> Answers {
        let wanted = message.policy().expect("a number").id;
        let Some((_, policy)) = self.policies.iter().find(|(id, _)| *id == wanted) else {
            return self.refuse(message, u8::try_from(EINVAL).unwrap());
        };
        Ok(vec![(To::Sender, Message { header: message.header, ..policy.clone() })])
    }

    fn dump_policies(&self, question: &Message) -> Vec<(To, Message)> {
        if self.policies.is_empty() {
            return vec![(To::Sender, refusal(self.dialect, question, ENOENT))];
        }
        let last = self.policies.len() - 1;
        let entry = |(at, (_, policy)): (usize, &(u32, Message))| {
            let mut entry = Message { header: question.header, ..policy.clone() };
            entry.header.seq = u32::try_from(last - at).unwrap();
            (To::Sender, entry)
        };
        self.policies.iter().enumerate().map(entry).collect()
    }

    fn ask_policy(&self, message: &Message) -> Answers {
        let wanted = message.extensions.iter().find_map(|extension| match extension {
            Extension::AcquireSequence(seq) => Some(*seq),
            _ => None,
        });
        let Some((seq, flow)) = self.acquires.iter().find(|(seq, _)| Some(*seq) == wanted) else {
            return self.refuse(message, ESRCH);
        };
        let selectors = flow.extensions.iter().filter(|e| {
            use AddressRole::{DstFlow, DstMask, SrcFlow, SrcMask};
            matches!(e, Extension::Address(SrcFlow | DstFlow | SrcMask | DstMask, _))
        });
        // The flow's type is the transport protocol here.
        let direction = ProtocolBody { protocol: 0, direction: 2, ..ProtocolBody::default() };
        let answer = Message { header: message.header, extensions: Vec::new() }
            .with_all(selectors.cloned())
            .with(Extension::Protocol(ProtocolRole::FlowType, direction))
            .with(Extension::AcquireSequence(*seq));
        Ok(vec![(To::All, answer)])
    }
}

/// KAME gives the whole question back, OpenBSD its head.
pub(crate) fn refusal(dialect: Dialect, message: &Message, errno: u8) -> Message {
    let header = Header { errno, ..message.header };
    let is_dump = matches!(header.kind, MessageType::Dump | MessageType::SpdDump);
    let extensions = if dialect.is_kame() && !is_dump { message.extensions.clone() } else { Vec::new() };
    Message { header, extensions }
}

/// What names an SA, out of a message about it. The kernel itself is 0.
fn naming(message: &Message, kind: MessageType) -> Message {
    let names = message.extensions.iter().filter(|e| {
        matches!(e, Extension::Sa(_) | Extension::Address(AddressRole::Src | AddressRole::Dst, _))
    });
    Message::new(kind, message.header.satype).with_all(names.cloned())
}

fn set_id(message: &mut Message, number: u32) {
    for extension in &mut message.extensions {
        if let Extension::Policy(body) = extension {
            body.id = number;
        }
    }
}

fn direction(message: &Message) -> u8 {
    let of_flow = || message.protocol(ProtocolRole::FlowType).map(|body| body.direction);
    message.policy().map(|body| body.direction).or_else(of_flow).expect("a direction")
}

fn is_outbound(message: &Message) -> bool {
    direction(message) == 2
}

fn is_same_policy(a: &Message, b: &Message) -> bool {
    let selector = |message: &Message| -> Vec<(u8, SocketAddress)> {
        use AddressRole::{Dst, DstFlow, DstMask, Src, SrcFlow, SrcMask};
        let roles: &[_] =
            if message.policy().is_some() { &[Src, Dst] } else { &[SrcFlow, SrcMask, DstFlow, DstMask] };
        let part = |role: &AddressRole| message.address(*role).map(|a| (a.prefix_len, a.socket.clone()));
        roles.iter().filter_map(part).collect()
    };
    direction(a) == direction(b) && selector(a) == selector(b)
}
