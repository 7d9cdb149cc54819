//! Tags that approve what stands at a path come with a commit, or alone.

use fluxops::api::GitReference;
use fluxops::source::{Fetch, WantApprovals};

use crate::protocol::forget_protocol_2;
use crate::world::{World, main_branch, remote};

const TAG: &str = "approvals/app/one";

fn always(fetch: Fetch) -> Fetch {
    Fetch {
        approvals: WantApprovals::Always,
        ..fetch
    }
}

/// Tags what stands at `app` on the remote; the tag's id.
fn tag(world: &World, name: &str) -> String {
    world.git(&["-C", "work", "tag", "-a", "-m", "x", name, "HEAD:app"]);
    world.git(&["-C", "work", "push", "-q", "origin", &format!("refs/tags/{name}")]);
    world.git(&["-C", "work", "rev-parse", name])
}

async fn check(world: &World, remote: impl Fn() -> Fetch) {
    let approvals = async || {
        let revision = world.fetch(always(remote()), main_branch()).await.unwrap();
        let objects = revision.objects().unwrap();
        let mut found = Vec::new();
        for (name, id) in revision.approvals() {
            let id = id.to_string();
            objects.raw_object(id.parse().unwrap(), 1000).unwrap();
            found.push((name.clone(), id));
        }
        found
    };
    let named = |name: &str, id: &str| (format!("refs/tags/{name}"), id.to_owned());
    let one = tag(world, TAG);
    // With the first commit; then none; then one without a commit; then one with a commit.
    assert_eq!(approvals().await, [named(TAG, &one)]);
    assert_eq!(approvals().await, [named(TAG, &one)]);
    let two = tag(world, "approvals/app/two");
    world.git(&["-C", "work", "tag", "approvals/light", "HEAD"]);
    world.git(&["-C", "work", "push", "-q", "origin", "refs/tags/approvals/light"]);
    tag(world, "v1");
    assert_eq!(
        approvals().await,
        [named(TAG, &one), named("approvals/app/two", &two)]
    );
    world.push("two");
    let three = tag(world, "approvals/app/three");
    world.git(&[
        "-C",
        "work",
        "push",
        "-q",
        "origin",
        ":refs/tags/approvals/app/two",
    ]);
    assert_eq!(
        approvals().await,
        [named(TAG, &one), named("approvals/app/three", &three)]
    );
    let never = world.fetch(remote(), main_branch()).await.unwrap();
    assert!(never.approvals().is_empty());
    world.git(&["-C", never.mirror().path().to_str().unwrap(), "fsck", "--strict"]);
}

#[tokio::test]
async fn they_come_by_either_protocol_and_from_a_folder() {
    let world = World::new();
    let server = world.serve(&[]);
    check(&world, || remote(&server.repository("apps.git"), &[])).await;
    let world = World::new();
    let server = world.serve(&[]);
    let port = forget_protocol_2(server.port().parse().unwrap());
    check(&world, || {
        remote(&format!("http://127.0.0.1:{port}/apps.git"), &[])
    })
    .await;
    let world = World::new();
    check(&world, || world.local()).await;
}

#[tokio::test]
async fn for_a_pinned_commit_the_remote_is_asked_only_if_they_are_needed() {
    let world = World::new();
    let server = world.serve(&[]);
    let url = server.repository("apps.git");
    let pinned = GitReference {
        commit: Some(world.git(&["-C", "work", "rev-parse", "HEAD"])),
        ..GitReference::default()
    };
    let with = |approvals| Fetch {
        approvals,
        ..remote(&url, &[])
    };
    world
        .fetch(with(WantApprovals::IfAsked), pinned.clone())
        .await
        .unwrap();
    let asked = server.requests().len();
    tag(&world, TAG);
    let revision = world
        .fetch(with(WantApprovals::IfAsked), pinned.clone())
        .await
        .unwrap();
    assert_eq!((server.requests().len(), revision.approvals().len()), (asked, 0));
    let revision = world.fetch(with(WantApprovals::Always), pinned).await.unwrap();
    assert_eq!(revision.approvals().len(), 1);
}
