use std::io::{Read, Write};

use super::*;

/// A socket, the other end of its connection, and the folder that both met in.
fn pair() -> (PfKeySocket, Socket, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kernel");
    let listener = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    listener.listen(1).unwrap();
    let socket = PfKeySocket::connect(&path).unwrap();
    let (server, _) = listener.accept().unwrap();
    (socket, server, dir)
}

fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> io::ErrorKind {
    result.unwrap_err().kind()
}

#[tokio::test]
async fn messages_keep_their_bounds() {
    let (socket, mut server, _dir) = pair();
    socket.send(&[1; 16]).await.unwrap();
    socket.send(&[2; 24]).await.unwrap();
    let mut read = [0; 100];
    assert_eq!(server.read(&mut read).unwrap(), 16);
    assert_eq!(server.read(&mut read).unwrap(), 24);
    assert_eq!(read[..24], [2; 24]);

    server.write_all(&[3; 40]).unwrap();
    server.write_all(&[4; 16]).unwrap();
    let mut buffer = vec![9; 3];
    assert_eq!(socket.recv(&mut buffer).await.unwrap(), Incoming::Message);
    assert_eq!(buffer, [3; 40]);
    assert_eq!(socket.recv(&mut buffer).await.unwrap(), Incoming::Message);
    assert_eq!(buffer, [4; 16]);
}

#[tokio::test]
async fn a_message_may_come_later() {
    let (socket, mut server, _dir) = pair();
    let mut buffer = Vec::new();
    let later = async {
        tokio::task::yield_now().await;
        server.write_all(&[5; 16]).unwrap();
    };
    let (got, ()) = tokio::join!(socket.recv(&mut buffer), later);
    assert_eq!(got.unwrap(), Incoming::Message);
    assert_eq!(buffer, [5; 16]);
}

#[tokio::test]
async fn four_octets_are_a_failed_write() {
    let (socket, mut server, _dir) = pair();
    let mut buffer = Vec::new();
    for (packet, errno) in [([0xea, 0xff, 0xff, 0xff], 22), ([0xc9, 0xff, 0xff, 0xff], 55)] {
        server.write_all(&packet).unwrap();
        assert_eq!(socket.recv(&mut buffer).await.unwrap(), Incoming::WriteFailed(errno));
    }
    for no_errno in [0, 22, i32::MIN] {
        server.write_all(&no_errno.to_le_bytes()).unwrap();
        assert_eq!(kind(socket.recv(&mut buffer).await), io::ErrorKind::InvalidData, "{no_errno}");
    }
    for len in [3, 5] {
        server.write_all(&vec![0xff; len]).unwrap();
        assert_eq!(socket.recv(&mut buffer).await.unwrap(), Incoming::Message, "{len} octets");
    }
}

#[tokio::test]
async fn a_message_that_is_too_long_is_told_and_the_next_is_whole() {
    let (socket, mut server, _dir) = pair();
    server.write_all(&vec![6; LARGEST]).unwrap();
    server.write_all(&vec![7; LARGEST + 1]).unwrap();
    server.write_all(&[8; 16]).unwrap();
    let mut buffer = Vec::new();
    assert_eq!(socket.recv(&mut buffer).await.unwrap(), Incoming::Message);
    assert_eq!(buffer.len(), LARGEST);
    assert_eq!(kind(socket.recv(&mut buffer).await), io::ErrorKind::InvalidData);
    assert!(buffer.is_empty(), "nothing of it can be taken for a message");
    assert_eq!(socket.recv(&mut buffer).await.unwrap(), Incoming::Message);
    assert_eq!(buffer, [8; 16]);
}

#[tokio::test]
async fn sending_waits_for_room() {
    let (socket, mut server, _dir) = pair();
    const MESSAGES: usize = 2000;
    let all = async {
        for _ in 0..MESSAGES {
            socket.send(&[1; 2048]).await.unwrap();
        }
    };
    let reader = tokio::task::spawn_blocking(move || {
        let mut read = [0; 4096];
        (0..MESSAGES).map(|_| server.read(&mut read).unwrap()).all(|len| len == 2048)
    });
    all.await;
    assert!(reader.await.unwrap());
}

#[tokio::test]
async fn the_end_is_told() {
    let (socket, server, dir) = pair();
    drop(server);
    assert_eq!(kind(socket.recv(&mut Vec::new()).await), io::ErrorKind::UnexpectedEof);
    assert_eq!(kind(socket.send(&[0; 16]).await), io::ErrorKind::BrokenPipe);
    let nobody = PfKeySocket::connect(&dir.path().join("kernel"));
    assert_eq!(kind(nobody), io::ErrorKind::ConnectionRefused);
    assert_eq!(kind(PfKeySocket::connect(&dir.path().join("no such"))), io::ErrorKind::NotFound);
}

#[tokio::test]
async fn a_server_that_does_not_accept_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kernel");
    let listener = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    listener.listen(1).unwrap();
    let mut waiting = Vec::new();
    let refused = loop {
        match PfKeySocket::connect(&path) {
            Ok(socket) => waiting.push(socket),
            Err(error) => break error,
        }
        assert!(waiting.len() < 100, "the queue has an end");
    };
    assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn there_is_more_room_than_the_system_begins_with() {
    let (socket, server, _dir) = pair();
    let room = socket2::SockRef::from(socket.fd.get_ref()).recv_buffer_size().unwrap();
    assert!(room > server.recv_buffer_size().unwrap(), "{room}");
}
