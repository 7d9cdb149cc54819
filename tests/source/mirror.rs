//! The mirror in the state directory: private, bare, whole, and healed.

use fluxops::api::GitReference;
use fluxops::source::{MAX_MARKS, MAX_PACKS, ObjectError, Oid};

use crate::support::repository::damage;
use crate::world::{World, main_branch, read};

#[tokio::test]
async fn the_mirror_is_private_and_bare() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let revision = world.fetch(world.local(), main_branch()).await.unwrap();
    for folder in [revision.mirror().path(), &world.path("state/git")] {
        assert_eq!(
            std::fs::metadata(folder).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }
    assert!(!revision.mirror().path().join("app").exists());
    let names = world.git(&["-C", revision.mirror().path().to_str().unwrap(), "for-each-ref"]);
    assert_eq!(
        names,
        format!("{0} commit\trefs/fluxops/{0}", revision.commit().to_string())
    );
}

#[tokio::test]
async fn a_damaged_mirror_is_cloned_anew() {
    let world = World::new();
    let good = world.fetch(world.local(), main_branch()).await.unwrap();
    let mirror = good.mirror().path().to_owned();
    for damage in ["HEAD", "objects", "config"] {
        let path = mirror.join(damage);
        if path.is_dir() {
            std::fs::remove_dir_all(&path).unwrap();
        } else {
            std::fs::write(&path, "\0damaged").unwrap();
        }
        let healed = world
            .fetch(world.local(), main_branch())
            .await
            .unwrap_or_else(|error| panic!("{damage}: {error:?}"));
        assert!(read(&healed, healed.commit()).is_some(), "{damage}");
    }
}

#[tokio::test]
async fn fetches_of_one_repository_take_turns() {
    let world = World::new();
    let expected = world.git(&["-C", "work", "rev-parse", "HEAD"]);
    let fetches = (0..8).map(|_| world.fetch(world.local(), main_branch()));
    for result in futures::future::join_all(fetches).await {
        assert_eq!(result.unwrap().commit().to_string(), expected);
    }
}

#[tokio::test]
async fn an_object_is_read_up_to_a_limit() {
    let world = World::new();
    let revision = world.fetch(world.local(), main_branch()).await.unwrap();
    let objects = revision.objects().unwrap();
    let size = read(&revision, revision.commit()).unwrap().data.len() as u64;
    assert!(objects.raw_object(revision.commit(), size).is_ok());
    let error = objects.raw_object(revision.commit(), size - 1).unwrap_err();
    assert_eq!(
        error,
        ObjectError::TooLarge {
            id: revision.commit(),
            size,
            limit: size - 1
        }
    );
    let absent: Oid = "1111111111111111111111111111111111111111".parse().unwrap();
    assert_eq!(
        objects.raw_object(absent, size).unwrap_err(),
        ObjectError::Unreadable(absent)
    );
}

#[tokio::test]
async fn a_mirror_of_many_packs_is_cloned_anew() {
    let world = World::new();
    let first = world.fetch(world.local(), main_branch()).await.unwrap();
    let packs = first.mirror().path().join("objects/pack");
    let count = || std::fs::read_dir(&packs).unwrap().count();
    for number in 0..=MAX_PACKS {
        std::fs::write(packs.join(format!("pack-{number:040}.pack")), "").unwrap();
    }
    let second = world.push("two");
    let fetched = world.fetch(world.local(), main_branch()).await.unwrap();
    assert_eq!(
        (fetched.commit().to_string(), count()),
        (second, 2),
        "one pack and its index"
    );
}

#[tokio::test]
async fn branches_that_are_left_are_forgotten_in_the_end() {
    let world = World::new();
    let mut last = None;
    for number in 0..MAX_MARKS + 3 {
        world.git(&[
            "-C",
            "work",
            "checkout",
            "-q",
            "--orphan",
            &format!("branch-{number}"),
        ]);
        let commit = world.push(&number.to_string());
        let reference = GitReference {
            branch: Some(format!("branch-{number}")),
            ..GitReference::default()
        };
        let revision = world.fetch(world.local(), reference).await.unwrap();
        assert_eq!(revision.commit().to_string(), commit);
        last = Some(revision);
    }
    let last = last.unwrap();
    let marks = world.git(&[
        "-C",
        last.mirror().path().to_str().unwrap(),
        "for-each-ref",
        "--format=%(refname)",
    ]);
    assert_eq!(marks.lines().count(), MAX_MARKS);
    assert!(marks.contains(&last.commit().to_string()));
}

#[tokio::test]
async fn a_damaged_mirror_stays_until_the_clone_is_whole() {
    let world = World::new();
    let good = world.fetch(world.local(), main_branch()).await.unwrap();
    good.mirror().condemn();
    std::fs::rename(world.path("served/apps.git"), world.path("served/away.git")).unwrap();
    assert!(world.fetch(world.local(), main_branch()).await.is_err());
    assert!(read(&good, good.commit()).is_some(), "there is no other one yet");

    std::fs::rename(world.path("served/away.git"), world.path("served/apps.git")).unwrap();
    let second = world.push("two");
    let healed = world.fetch(world.local(), main_branch()).await.unwrap();
    assert_eq!(healed.commit().to_string(), second);
    let left: Vec<_> = std::fs::read_dir(world.path("state/git"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    assert_eq!(left, [good.mirror().path()]);
    let before = std::fs::read_dir(good.mirror().path().join("objects/pack"))
        .unwrap()
        .count();
    assert_eq!(before, 2, "one pack and its index: it was cloned anew");
    assert_eq!(world.fetch(world.local(), main_branch()).await.unwrap(), healed);
}

#[tokio::test]
async fn a_clone_that_died_while_taking_its_place_is_taken_back() {
    let world = World::new();
    let good = world.fetch(world.local(), main_branch()).await.unwrap();
    let path = good.mirror().path();
    std::fs::rename(path, path.with_extension("old")).unwrap();
    std::fs::create_dir(path.with_extension("new")).unwrap();
    std::fs::rename(world.path("served/apps.git"), world.path("served/away.git")).unwrap();
    assert!(world.fetch(world.local(), main_branch()).await.is_err());
    assert!(read(&good, good.commit()).is_some());
}

#[tokio::test]
async fn an_object_that_cannot_be_read_condemns_the_mirror() {
    let world = World::new();
    let good = world.fetch(world.local(), main_branch()).await.unwrap();
    let blob = world.git(&["-C", "work", "rev-parse", "HEAD:app/file"]);
    damage(good.mirror().path(), &blob);

    // Nobody asks for the file yet, so nobody notices.
    let same = world.fetch(world.local(), main_branch()).await.unwrap();
    let blob: Oid = blob.parse().unwrap();
    assert_eq!(read(&same, blob), None);
    let healed = world.fetch(world.local(), main_branch()).await.unwrap();
    assert_eq!(read(&healed, blob).unwrap().data, b"one");
}
