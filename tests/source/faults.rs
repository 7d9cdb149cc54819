//! Servers that misbehave, and repositories that are not whole.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use fluxops::source::{FetchError, MAX_TREE_DEPTH};

use crate::world::{IMPATIENCE, World, main_branch, remote};

#[tokio::test]
async fn servers_that_misbehave_are_named_and_left() {
    let world = World::new();
    let server = world.serve(&[]);
    for (fault, reason) in [
        ("hang", "Timeout"),
        ("stall", "Timeout"),
        ("garbage", "GitOperationFailed"),
        ("truncate", "GitOperationFailed"),
        ("status/401", "AuthenticationFailed"),
        ("status/404", "GitOperationFailed"),
        ("status/500", "GitOperationFailed"),
        ("slow/300", "Timeout"),
    ] {
        let mut remote = remote(&server.repository(&format!("{fault}/apps.git")), &[]);
        remote.timeout = IMPATIENCE;
        let began = Instant::now();
        let error = world.fetch(remote, main_branch()).await.expect_err(fault);
        assert_eq!(error.reason(), reason, "{fault}: {error:?}");
        assert!(
            began.elapsed() < IMPATIENCE * 4,
            "{fault} took {:?}",
            began.elapsed()
        );
        assert!(!error.advice().is_empty());
    }
    // The same repository, asked properly, is not hurt by what came before.
    world
        .fetch(remote(&server.repository("apps.git"), &[]), main_branch())
        .await
        .unwrap();
    let nobody = remote("http://127.0.0.1:1/apps.git", &[]);
    assert!(matches!(
        world.fetch(nobody, main_branch()).await,
        Err(FetchError::Network { .. })
    ));
}

#[tokio::test]
async fn a_fetch_ends_when_nobody_waits() {
    let world = World::new();
    let server = world.serve(&[]);
    let url = server.repository("hang/apps.git");
    let waiting = tokio::time::timeout(
        Duration::from_millis(300),
        world.fetch(remote(&url, &[]), main_branch()),
    );
    assert!(waiting.await.is_err());
    // The lock of the mirror is free again at once, long before the timeout of the first.
    let mut again = remote(&url, &[]);
    again.timeout = IMPATIENCE;
    let error = world.fetch(again, main_branch()).await.unwrap_err();
    assert!(error.to_string().contains("connecting"), "{error}");
}

#[tokio::test]
async fn an_incomplete_repository_is_not_taken() {
    let world = World::new();
    let blob = world.git(&["-C", "work", "rev-parse", "HEAD:app/file"]);
    let served = world
        .path("served/apps.git/objects")
        .join(&blob[..2])
        .join(&blob[2..]);
    std::fs::remove_file(served).unwrap();
    let error = world.fetch(world.local(), main_branch()).await.unwrap_err();
    assert!(
        matches!(error, FetchError::Local(_) | FetchError::BadObjects(_)),
        "{error:?}"
    );
    let url = format!("file://{}", world.text("served/apps.git"));
    assert!(
        !world.mirror(&url).path().exists(),
        "there is a mirror only once it is whole"
    );
}

#[tokio::test]
async fn folders_within_folders_have_an_end() {
    let world = World::new();
    let deep = |depth: usize| vec!["d"; depth].join("/");
    for (depth, taken) in [(MAX_TREE_DEPTH, true), (MAX_TREE_DEPTH + 1, false)] {
        let folder = format!("work/{}", deep(depth));
        std::fs::create_dir_all(world.path(&folder)).unwrap();
        world.write(&format!("{folder}/file"), "deep");
        world.push(&depth.to_string());
        let result = world.fetch(world.local(), main_branch()).await;
        assert_eq!(result.is_ok(), taken, "{depth}: {result:?}");
    }
}

/// A server that answers the second protocol from a script: what it can do, its branch, and a pack.
fn serve_pack(commit: &str, pack: &[u8]) -> String {
    let line = |payload: &[u8]| {
        let mut line = format!("{:04x}", payload.len() + 4).into_bytes();
        line.extend_from_slice(payload);
        line
    };
    let mut sent = line(b"packfile\n");
    for piece in pack.chunks(60_000) {
        sent.extend(line(&[&[1], piece].concat()));
    }
    let answers = [
        ("advertisement", [line(b"version 2\n"), b"0000".to_vec()].concat()),
        (
            "result",
            [
                line(format!("{commit} refs/heads/main\n").as_bytes()),
                b"0000".to_vec(),
            ]
            .concat(),
        ),
        ("result", [sent, b"0000".to_vec()].concat()),
    ];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/apps.git", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (kind, body) in answers {
            let (mut client, _) = listener.accept().unwrap();
            let mut request = BufReader::new(client.try_clone().unwrap());
            let mut length = 0;
            loop {
                let mut field = String::new();
                request.read_line(&mut field).unwrap();
                if let Some(value) = field.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if field.trim().is_empty() {
                    break;
                }
            }
            request.read_exact(&mut vec![0; length]).unwrap();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-{kind}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            client.write_all(head.as_bytes()).unwrap();
            // A client that was told enough hangs up.
            let _ = client.write_all(&body);
        }
    });
    url
}

#[tokio::test]
async fn a_pack_that_is_a_bomb_is_refused_before_it_goes_off() {
    let world = World::new();
    let commit = world.git(&["-C", "work", "rev-parse", "HEAD"]);
    let deflated = |data: &[u8]| {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    };
    // A blob of "a", and a delta upon it: from 1 byte to 2^56 bytes, in nine.
    let delta = b"\x01\x80\x80\x80\x80\x80\x80\x80\x80\x01";
    let blob = [b"\x31".to_vec(), deflated(b"a")].concat();
    let upon = [
        vec![0x60 | 0xa, u8::try_from(blob.len()).unwrap()],
        deflated(delta),
    ]
    .concat();
    let delta_bomb = [b"PACK\0\0\0\x02\0\0\0\x02".to_vec(), blob, upon, vec![0; 20]].concat();
    // A blob that says that it has 1 byte, and has 32 MiB.
    let zip_bomb = [
        b"PACK\0\0\0\x02\0\0\0\x01\x31".to_vec(),
        deflated(&vec![0; 32 << 20]),
        vec![0; 20],
    ]
    .concat();
    for (bomb, reason) in [(delta_bomb, "TooLarge"), (zip_bomb, "GitOperationFailed")] {
        let url = serve_pack(&commit, &bomb);
        let error = world.fetch(remote(&url, &[]), main_branch()).await.unwrap_err();
        assert_eq!(error.reason(), reason, "{error}");
        assert!(
            error.to_string().contains("one object") || error.to_string().contains("more than it says"),
            "{error}"
        );
        let mirror = world.mirror(&url);
        assert!(!mirror.path().exists() && !mirror.path().with_extension("new").exists());
    }
}
