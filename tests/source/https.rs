//! HTTPS: whom we trust, how we log in, and that credentials stay with their server.

use fluxops::source::{FetchError, Proxy};

use crate::support::git_servers::{GitServer, requests};
use crate::support::outside::Program;
use crate::world::{PASSWORD, World, main_branch, remote, secret, told};

#[tokio::test]
async fn https_takes_its_own_authority_and_client_certificate() {
    let world = World::new();
    let made = world.certificates();
    let (cert, key, ca) = (
        made.path("server.crt"),
        made.path("server.key"),
        made.path("ca.crt"),
    );
    let server = world.serve(&["--tls", &cert, &key, "--client-ca", &ca]);
    let url = server.repository("apps.git");
    let (authority, client, client_key) = (
        made.text("ca.crt"),
        made.text("client.crt"),
        made.text("client.key"),
    );

    let whole = [
        ("ca.crt", &*authority),
        ("tls.crt", &*client),
        ("tls.key", &*client_key),
    ];
    world.fetch(remote(&url, &whole), main_branch()).await.unwrap();
    assert_eq!(server.requests()[0]["client_certificate"], "fluxops");

    for incomplete in [&[][..], &whole[..1], &whole[1..]] {
        let error = world
            .fetch(remote(&url, incomplete), main_branch())
            .await
            .unwrap_err();
        assert!(matches!(error, FetchError::Network { .. }), "{error:?}");
    }
    let wrong = [("ca.crt", &*client)];
    assert!(world.fetch(remote(&url, &wrong), main_branch()).await.is_err());
    let broken = [(
        "ca.crt",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )];
    let error = world
        .fetch(remote(&url, &broken), main_branch())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "InvalidCredentials", "{error:?}");
}

#[tokio::test]
async fn https_logs_in_with_password_or_token() {
    let world = World::new();
    let made = world.certificates();
    let (cert, key) = (made.path("server.crt"), made.path("server.key"));
    let file = world.write("password", PASSWORD);
    let authority = made.text("ca.crt");
    let ada = format!("ada:{file}");
    let server = world.serve(&["--tls", &cert, &key, "--basic", &ada, "--bearer", &file]);
    let url = server.repository("apps.git");
    for login in [
        &[("username", "ada"), ("password", PASSWORD)][..],
        &[("bearerToken", PASSWORD)],
    ] {
        let entries = [&[("ca.crt", &*authority)], login].concat();
        world.fetch(remote(&url, &entries), main_branch()).await.unwrap();
    }
    let wrong = [
        ("ca.crt", &*authority),
        ("username", "ada"),
        ("password", "wr0ng-marker"),
    ];
    let error = world
        .fetch(remote(&url, &wrong), main_branch())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "AuthenticationFailed", "{error:?}");
    assert!(!told(&error).contains("marker"));
    let error = world
        .fetch(remote(&url, &wrong[..1]), main_branch())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "AuthenticationFailed");
}

#[tokio::test]
async fn credentials_never_leave_the_server() {
    let world = World::new();
    let made = world.certificates();
    let (cert, key) = (made.path("server.crt"), made.path("server.key"));
    let file = world.write("password", PASSWORD);
    let authority = made.text("ca.crt");
    let tls = ["--tls", &cert, &key];
    let ada = format!("ada:{file}");
    let server = world.serve(&[&tls[..], &["--basic", &ada]].concat());
    let other = GitServer::start(&world.path("served"), world.path("other"), &tls);
    let entries = [
        ("ca.crt", &*authority),
        ("username", "ada"),
        ("password", PASSWORD),
    ];

    let away = server.redirect(other.url());
    let error = world
        .fetch(remote(&away, &entries), main_branch())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "RedirectRefused", "{error:?}");
    assert!(error.to_string().contains(other.url()), "{error}");
    assert_eq!(other.requests().len(), 0);

    let home = server.redirect(server.url());
    world.fetch(remote(&home, &entries), main_branch()).await.unwrap();
}

#[tokio::test]
async fn a_proxy_is_used_when_given() {
    let world = World::new();
    let made = world.certificates();
    let (cert, key) = (made.path("server.crt"), made.path("server.key"));
    let file = world.write("password", PASSWORD);
    let authority = made.text("ca.crt");
    let server = world.serve(&["--tls", &cert, &key]);
    let (ada, log) = (format!("ada:{file}"), world.text("proxied"));
    // "localhost" is in the server's certificate, and port 4430 leads to it through the proxy alone.
    let resolve = format!("localhost:4430=127.0.0.1:{}", server.port());
    let proxy = Program::start(
        "http_proxy.py",
        &["--basic", &ada, "--resolve", &resolve, "--request-log", &log],
    );
    let through = |login: &[(&str, &str)]| {
        let mut remote = remote("https://localhost:4430/apps.git", &[("ca.crt", &authority)]);
        remote.proxy =
            Some(Proxy::from_secret(secret(&[&[("address", &*proxy.url)], login].concat())).unwrap());
        remote
    };
    world
        .fetch(
            through(&[("username", "ada"), ("password", PASSWORD)]),
            main_branch(),
        )
        .await
        .unwrap();
    assert_eq!(requests(&world.path("proxied"))[0]["target"], "localhost:4430");
    let error = world
        .fetch(
            through(&[("username", "ada"), ("password", "wr0ng-marker")]),
            main_branch(),
        )
        .await;
    assert!(!told(&error.unwrap_err()).contains("marker"));

    let mut local = world.local();
    local.proxy = through(&[]).proxy;
    assert!(matches!(
        world.fetch(local, main_branch()).await,
        Err(FetchError::ProxyUnsupported)
    ));
}
