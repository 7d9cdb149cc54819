//! What is asked of a server, and what is not asked again.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use crate::world::{World, main_branch, remote};

#[tokio::test]
async fn only_what_changed_is_fetched() {
    let world = World::new();
    let server = world.serve(&[]);
    let url = server.repository("apps.git");
    let commands = || {
        let requests = server.requests();
        let command =
            |request: &serde_json::Value| request["command"].as_str().unwrap_or("greeting").to_owned();
        requests.iter().map(command).collect::<Vec<_>>()
    };
    let first = world.fetch(remote(&url, &[]), main_branch()).await.unwrap();
    assert_eq!(commands(), ["greeting", "ls-refs", "fetch"]);
    assert_eq!(
        world.fetch(remote(&url, &[]), main_branch()).await.unwrap(),
        first
    );
    assert_eq!(commands()[3..], ["greeting", "ls-refs"]);

    let second = world.push("two");
    assert_eq!(
        world
            .fetch(remote(&url, &[]), main_branch())
            .await
            .unwrap()
            .commit()
            .to_string(),
        second
    );
    assert_eq!(commands()[5..], ["greeting", "ls-refs", "fetch"]);
    // The second pack has a commit, two folders and a file, and nothing of the first.
    let packs = std::fs::read_dir(first.mirror().path().join("objects/pack")).unwrap();
    let packs = packs
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "pack"));
    let sizes = packs.map(|path| u32::from_be_bytes(std::fs::read(path).unwrap()[8..12].try_into().unwrap()));
    assert_eq!(sizes.collect::<Vec<_>>(), [4, 4]);

    // A branch that went back needs nothing that is not here.
    world.git(&["-C", "work", "push", "-q", "-f", "origin", "HEAD~1:main"]);
    assert_eq!(
        world.fetch(remote(&url, &[]), main_branch()).await.unwrap(),
        first
    );
    world.git(&["-C", first.mirror().path().to_str().unwrap(), "fsck", "--strict"]);
}

#[tokio::test]
async fn a_server_of_the_first_protocol_does_as_well() {
    let world = World::new();
    let server = world.serve(&[]);
    let url = format!(
        "http://127.0.0.1:{}/apps.git",
        forget_protocol_2(server.port().parse().unwrap())
    );
    let first = world.fetch(remote(&url, &[]), main_branch()).await.unwrap();
    let second = world.push("two");
    assert_eq!(
        world
            .fetch(remote(&url, &[]), main_branch())
            .await
            .unwrap()
            .commit()
            .to_string(),
        second
    );
    let requests = server.requests();
    assert_eq!(requests.len(), 4, "the first protocol has no ls-refs");
    assert!(requests.iter().all(|request| request["protocol"].is_null()));
    world.git(&["-C", first.mirror().path().to_str().unwrap(), "fsck", "--strict"]);
}

/// Stands before a server and spoils the header that asks for the second protocol; the port it listens on.
pub(crate) fn forget_protocol_2(server: u16) -> u16 {
    const HEADER: &[u8] = b"git-protocol:";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let relay = move |mut client: TcpStream| {
        let mut upstream = TcpStream::connect(("127.0.0.1", server)).unwrap();
        let (mut answers, mut back) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = client.read(&mut buffer) {
            let piece = &mut buffer[..count];
            if let Some(at) = piece.windows(HEADER.len()).position(|window| window == HEADER) {
                piece[at] = b'x';
            }
            upstream.write_all(piece).unwrap();
        }
    };
    std::thread::spawn(move || {
        listener
            .incoming()
            .flatten()
            .for_each(|client| drop(std::thread::spawn(move || relay(client))));
    });
    port
}
