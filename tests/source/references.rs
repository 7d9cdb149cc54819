//! Which commit a `ref` leads to.

use fluxops::api::GitReference;
use fluxops::source::{FetchError, ObjectType};

use crate::world::{World, main_branch, name, read, remote, tag};

#[tokio::test]
async fn a_branch_is_followed() {
    let world = World::new();
    let first = world.git(&["-C", "work", "rev-parse", "HEAD"]);
    let revision = world.fetch(world.local(), main_branch()).await.unwrap();
    assert_eq!(revision.to_string(), format!("main@sha1:{first}"));
    assert_eq!(name(&revision), "refs/heads/main");
    assert_eq!(revision.commit().to_string(), first);
    assert_eq!(revision.tag(), None);
    let raw = read(&revision, revision.commit()).unwrap();
    assert_eq!(raw.kind, ObjectType::Commit);
    assert_eq!(
        String::from_utf8(raw.data).unwrap().trim_end(),
        world.git(&["-C", "work", "cat-file", "commit", &first])
    );

    let second = world.push("two");
    assert_eq!(
        world
            .fetch(world.local(), main_branch())
            .await
            .unwrap()
            .commit()
            .to_string(),
        second
    );
    let mirror = revision.mirror().path().to_str().unwrap();
    world.git(&["-C", mirror, "fsck", "--strict"]);
    assert_eq!(
        world.git(&["-C", mirror, "cat-file", "-p", &format!("{second}:app/file")]),
        "two"
    );
}

#[tokio::test]
async fn tags_lead_to_commits() {
    let world = World::new();
    let commit = world.git(&["-C", "work", "rev-parse", "HEAD"]);
    for arguments in [
        &["tag", "light"][..],
        &["tag", "-a", "-m", "one", "v1.0.0"],
        &["tag", "-a", "-m", "nested", "nested", "v1.0.0"],
        &["tag", "tree", "HEAD^{tree}"],
        &["push", "-q", "--tags"],
    ] {
        world.git(&[&["-C", "work"], arguments].concat());
    }
    let light = world.fetch(world.local(), tag("light")).await.unwrap();
    assert_eq!(
        (light.to_string(), light.tag()),
        (format!("light@sha1:{commit}"), None)
    );

    let annotated = world.fetch(world.local(), tag("v1.0.0")).await.unwrap();
    assert_eq!(annotated.to_string(), format!("v1.0.0@sha1:{commit}"));
    let id = annotated.tag().unwrap();
    assert_eq!(id.to_string(), world.git(&["-C", "work", "rev-parse", "v1.0.0"]));
    let raw = read(&annotated, id).unwrap();
    assert_eq!(raw.kind, ObjectType::Tag);
    assert_eq!(
        String::from_utf8(raw.data).unwrap().trim_end(),
        world.git(&["-C", "work", "cat-file", "tag", "v1.0.0"])
    );

    for name in ["nested", "tree"] {
        let error = world.fetch(world.local(), tag(name)).await.unwrap_err();
        assert!(
            matches!(error, FetchError::NotACommit(_) | FetchError::Local(_)),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn the_highest_version_in_a_range_is_taken() {
    let world = World::new();
    let server = world.serve(&[]);
    for version in ["v1.0.0", "v1.2.0", "v1.10.0", "2.0.0", "v2.1.0-rc.1", "latest"] {
        world.push(version);
        world.git(&["-C", "work", "tag", "-a", "-m", version, version]);
    }
    world.git(&["-C", "work", "push", "-q", "--tags"]);
    for (range, wanted) in [
        ("1.x", "v1.10.0"),
        ("*", "2.0.0"),
        (">=2.0.0-0", "v2.1.0-rc.1"),
        ("~1.2", "v1.2.0"),
    ] {
        for url in [
            server.repository("apps.git"),
            format!("file://{}", world.text("served/apps.git")),
        ] {
            let reference = GitReference {
                semver: Some(range.into()),
                ..GitReference::default()
            };
            let revision = world.fetch(remote(&url, &[]), reference).await.unwrap();
            assert_eq!(name(&revision), format!("refs/tags/{wanted}"), "{range}");
        }
    }
    let none = GitReference {
        semver: Some(">=3".into()),
        ..GitReference::default()
    };
    assert!(matches!(
        world.fetch(world.local(), none).await,
        Err(FetchError::NoVersion(_))
    ));
}

#[tokio::test]
async fn a_commit_is_asked_for_once() {
    let world = World::new();
    let server = world.serve(&[]);
    let url = server.repository("apps.git");
    let first = world.git(&["-C", "work", "rev-parse", "HEAD"]);
    world.push("two");
    let commit = |id: &str, branch: Option<&str>| GitReference {
        commit: Some(id.into()),
        branch: branch.map(Into::into),
        ..GitReference::default()
    };
    for _ in 0..2 {
        let revision = world
            .fetch(remote(&url, &[]), commit(&first, None))
            .await
            .unwrap();
        assert_eq!(revision.to_string(), format!("sha1:{first}"));
        assert!(revision.reference().is_none());
    }
    assert_eq!(
        server.requests().len(),
        3,
        "greeting, ls-refs and fetch, then nothing"
    );

    let revision = world
        .fetch(remote(&url, &[]), commit(&first, Some("main")))
        .await
        .unwrap();
    assert_eq!(revision.to_string(), format!("main@sha1:{first}"));
    world.git(&["-C", "work", "checkout", "-q", "--orphan", "other"]);
    let other = world.push("other");
    let error = world
        .fetch(remote(&url, &[]), commit(&other, Some("main")))
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::NotOnBranch { .. }), "{error:?}");
    let error = world
        .fetch(remote(&url, &[]), commit(&"1".repeat(40), None))
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::Refused(_)), "{error:?}");
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let world = World::new();
    let absent = GitReference {
        branch: Some("absent".into()),
        ..GitReference::default()
    };
    let error = world.fetch(world.local(), absent).await.unwrap_err();
    assert_eq!(
        (error.reason(), error.to_string().contains("refs/heads/absent")),
        ("ReferenceNotFound", true)
    );
    // The default is master, as in Flux, and this repository has none.
    let error = world
        .fetch(world.local(), GitReference::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("refs/heads/master"), "{error}");
    // A name that another one begins with is not that one.
    world.git(&["-C", "work", "push", "-q", "origin", "HEAD:absentee"]);
    let absent = GitReference {
        branch: Some("absent".into()),
        ..GitReference::default()
    };
    assert!(world.fetch(world.local(), absent).await.is_err());
    world.git(&["init", "-q", "--bare", "served/empty.git"]);
    let server = world.serve(&[]);
    let error = world
        .fetch(remote(&server.repository("empty.git"), &[]), main_branch())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "ReferenceNotFound");
    world.git(&["init", "-q", "--bare", "--object-format=sha256", "served/new.git"]);
    let error = world
        .fetch(remote(&server.repository("new.git"), &[]), main_branch())
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::ObjectFormat(_)), "{error:?}");
}
