//! Real programs, run for made-up events.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::conf::{NoFiles, racoon};
use crate::daemon::log::{Dialect, Sink};
use crate::ike::error::Why;
use crate::ike::event::Role;
use crate::ike::policy::{Identity, Phase1Exchange, Phase1Policy};
use crate::ike::remote_access::ClientConfig;
use crate::sadb::AddressPair;
use crate::wire::header::{Cookie, CookiePair};

/// A folder of programs, the log of what runs them, and the policy that names them.
struct Scene {
    folder: tempfile::TempDir,
    policy: Arc<Phase1Policy>,
    lines: Arc<Mutex<Vec<String>>>,
    logger: Logger,
}

impl Scene {
    /// One program for every event.
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hook");
        std::fs::write(&file, script).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let text = format!(
            "path script \"{}\";\nremote anonymous {{\n\texchange_mode main;\n\tscript \"hook\" phase1_up;\n\
             \tscript \"hook\" phase1_down;\n\tscript \"hook\" phase1_dead;\n\tproposal {{\n\
             \t\tencryption_algorithm aes;\n\t\thash_algorithm sha1;\n\t\tauthentication_method pre_shared_key;\n\
             \t\tdh_group 14;\n\t}}\n}}\n",
            folder.path().display()
        );
        let (config, found) = racoon::load("racoon.conf", &text, &NoFiles);
        let config = config.unwrap_or_else(|| panic!("{found:?}"));
        let (policy, found) = racoon::resolve(&config, None, &NoFiles);
        let policy = policy.unwrap_or_else(|| panic!("{found:?}")).phase1[0].clone();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&lines);
        let sink: Sink = Arc::new(move |line: &str| taken.lock().unwrap().push(line.to_owned()));
        Self { folder, policy, lines, logger: Logger::new(Dialect::Racoon, Level::Info, sink) }
    }

    fn event(&self, id: u64, last: u8, what: Phase1Event) -> Event {
        let remote = SocketAddr::new([10, 99, 0, last].into(), 4500);
        let about = Phase1Ref {
            id: Phase1Id(id),
            policy: Arc::clone(&self.policy),
            addresses: AddressPair { local: "10.99.0.1:500".parse().unwrap(), remote },
            cookies: CookiePair { i: Cookie([1; 8]), r: Cookie([2; 8]) },
            role: Role::Initiator,
            exchange: Phase1Exchange::Main,
        };
        Event::Phase1(about, what)
    }

    fn established(&self, id: u64, last: u8) -> Event {
        let peer_id = Identity::Fqdn("b.example".to_owned());
        let (my_id, certificate, weaknesses) = (peer_id.clone(), None, Vec::new());
        self.event(id, last, Phase1Event::Established { my_id, peer_id, certificate, weaknesses })
    }

    /// It is established, and nothing is awaited any more.
    fn up(&self, id: u64, last: u8) -> [Event; 2] {
        [self.established(id, last), self.ready(id, last, None, ClientConfig::default())]
    }

    fn ready(&self, id: u64, last: u8, user: Option<&str>, config: ClientConfig) -> Event {
        let (user, config) = (user.map(Arc::from), Box::new(config));
        self.event(id, last, Phase1Event::Access(AccessEvent::Ready { user, config }))
    }

    /// What a program has written into a file beside it.
    fn written(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("out")).unwrap_or_default()
    }

    /// Runs what the events ask for, to the end.
    async fn play(&self, timeout: Duration, events: &[Event]) {
        let (mut hooks, running) = start(&self.logger, timeout);
        events.iter().for_each(|event| hooks.event(event));
        drop(hooks);
        running.finish(Duration::from_secs(60)).await;
    }

    fn log(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }
}

const LONG: Duration = Duration::from_secs(60);

/// Says its argument and its environment, sorted, without what the shell adds by itself.
const TELL: &str = "#!/bin/sh\n{ echo \"$1 $#\"; /usr/bin/env | /usr/bin/sort | /bin/grep -v -e ^PWD= -e ^_= -e ^SHLVL=; } \
                    >> \"${0%/*}/out\"\n";

#[tokio::test]
async fn a_program_gets_racoons_variables_and_nothing_else() {
    let scene = Scene::new(TELL);
    let gone = scene.event(1, 2, Phase1Event::Deleted { by_peer: true });
    let [established, ready] = scene.up(1, 2);
    scene.play(LONG, &[established, ready, gone]).await;
    let environment = "LOCAL_ADDR=10.99.0.1\nLOCAL_PORT=500\nREMOTE_ADDR=10.99.0.2\nREMOTE_ID=b.example\n\
                       REMOTE_PORT=4500\n";
    assert_eq!(scene.written(), format!("phase1_up 1\n{environment}phase1_down 1\n{environment}"));
    assert_eq!(scene.log(), "");
}

#[tokio::test]
async fn a_road_warrior_is_up_when_it_has_logged_in() {
    let scene = Scene::new(TELL);
    let gone = || scene.event(1, 2, Phase1Event::Deleted { by_peer: true });
    scene.play(LONG, &[scene.established(1, 2), gone()]).await;
    assert_eq!(scene.written(), "", "whose login has failed was never up");
    let config = ClientConfig { address: Some([10, 9, 0, 1].into()), ..ClientConfig::default() };
    scene.play(LONG, &[scene.established(1, 2), scene.ready(1, 2, Some("ann"), config), gone()]).await;
    let written = scene.written();
    assert_eq!(written.matches("INTERNAL_ADDR4=10.9.0.1\n").count(), 2, "{written}");
    assert_eq!(written.matches("XAUTH_USER=ann\n").count(), 2, "{written}");
}

#[tokio::test]
async fn a_dead_peer_is_dead_and_down_and_a_stranger_is_nothing() {
    let scene = Scene::new("#!/bin/sh\necho \"$1\" >> \"${0%/*}/out\"\n");
    let (dead, gone) = (Phase1Event::PeerDead, Phase1Event::Failed(Why::PeerDead));
    let (dead, gone) = (scene.event(1, 2, dead), scene.event(1, 2, gone));
    let stranger = scene.event(2, 3, Phase1Event::Failed(Why::NoProposalChosen));
    let [established, ready] = scene.up(1, 2);
    scene.play(LONG, &[established, ready, stranger, dead, gone.clone(), gone]).await;
    assert_eq!(scene.written(), "phase1_up\nphase1_dead\nphase1_down\n");
}

#[tokio::test]
async fn output_and_status_are_logged() {
    let scene = Scene::new("#!/bin/sh\necho 'a \u{1b}[2J line'\necho oops >&2\nexit 3\n");
    scene.play(LONG, &scene.up(1, 2)).await;
    let log = scene.log();
    assert!(log.contains("[10.99.0.2] INFO: hook: a \\u{1b}[2J line"), "{log}");
    assert!(log.contains("[10.99.0.2] WARNING: hook: oops"), "{log}");
    assert!(log.contains("/hook phase1_up: exit status: 3"), "{log}");
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_with_what_it_has_started() {
    let scene = Scene::new("#!/bin/sh\n/bin/sleep 600 &\necho $! > \"${0%/*}/out\"\nwait\n");
    scene.play(Duration::from_secs(1), &scene.up(1, 2)).await;
    assert!(scene.log().contains("killed: it had not ended after 1 s"), "{}", scene.log());
    let child = nix::unistd::Pid::from_raw(scene.written().trim().parse().unwrap());
    let is_dead = || {
        // Whoever has inherited it may not have waited for it yet.
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        nix::sys::signal::kill(child, None).is_err() || stat.contains(") Z ")
    };
    for _ in 0..1000 {
        if is_dead() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{child} lives");
}

#[tokio::test]
async fn those_of_one_peer_keep_their_order_and_hold_up_no_other() {
    // That of the first peer ends when that of the second has run.
    let scene = Scene::new(
        "#!/bin/sh\nd=\"${0%/*}\"\ncase $REMOTE_ADDR in\n*.2) while [ ! -e \"$d/other\" ]; do /bin/sleep 0.01; done;;\n\
         *) : > \"$d/other\";;\nesac\necho \"$REMOTE_ADDR $1\" >> \"$d/out\"\n",
    );
    let down = scene.event(1, 2, Phase1Event::Expired);
    let events = [&scene.up(1, 2)[..], &[down], &scene.up(3, 2), &scene.up(2, 3)].concat();
    scene.play(LONG, &events).await;
    let written = scene.written();
    let of_first: Vec<_> = written.lines().filter(|line| line.starts_with("10.99.0.2 ")).collect();
    assert_eq!(of_first, ["10.99.0.2 phase1_up", "10.99.0.2 phase1_down", "10.99.0.2 phase1_up"]);
    assert!(written.starts_with("10.99.0.3 "), "{written}");
}

#[tokio::test]
async fn what_others_could_change_is_not_run() {
    let scene = Scene::new("#!/bin/sh\necho ran > \"${0%/*}/out\"\n");
    let file = scene.folder.path().join("hook");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o775)).unwrap();
    scene.play(LONG, &scene.up(1, 2)).await;
    assert_eq!(scene.written(), "");
    assert!(scene.log().contains("it is not run: it has weak file permission 0775"), "{}", scene.log());
    std::fs::remove_file(&file).unwrap();
    scene.play(LONG, &scene.up(1, 2)).await;
    assert!(scene.log().contains("No such file"), "{}", scene.log());
}

#[tokio::test]
async fn no_descriptor_of_ours_is_inherited() {
    if !Path::new("/proc/self/fd").exists() {
        return;
    }
    // As the daemon has them: a socket of each kind, and files.
    let scene = Scene::new("#!/bin/sh\n/bin/ls -l /proc/$$/fd > \"${0%/*}/out\"\n");
    let path = scene.folder.path().join("control");
    let place = crate::daemon::control::SocketPlace::private(&path);
    let _control = crate::daemon::control::ControlServer::bind(&place).unwrap();
    let _udp = crate::sys::udp::UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let _file = crate::daemon::pidfile::PidFile::claim(&scene.folder.path().join("pid")).unwrap();
    scene.play(LONG, &scene.up(1, 2)).await;
    let open = scene.written();
    let is_ours = |line: &&str| line.contains("socket:") || line.ends_with("/pid");
    assert!(open.contains("/dev/null"), "{open}");
    assert_eq!(open.lines().filter(is_ours).collect::<Vec<_>>(), [""; 0], "{open}");
}

#[tokio::test]
async fn a_flood_of_events_is_bounded() {
    let scene = Scene::new("#!/bin/sh\necho x >> \"${0%/*}/out\"\n");
    let events: Vec<_> = (0..1000).flat_map(|n| scene.up(n, 2)).collect();
    let (mut hooks, running) = start(&scene.logger, LONG);
    events.iter().for_each(|event| hooks.event(event));
    // Nothing ran yet: this thread has not waited for anything.
    let refused = scene.log().matches("too many wait already").count();
    assert_eq!(refused, 1000 - WAITING);
    drop(hooks);
    running.finish(LONG).await;
    assert_eq!(scene.written().lines().count(), WAITING);
}
