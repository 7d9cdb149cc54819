//! Health and metrics of a process at work.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::net::TcpStream;

use support::eventually;
use support::installed::{Installed, get};

#[test]
fn health_and_metrics_are_served() {
    let (mut installed, _) = Installed::with_good_commit();
    let address = installed.operations();
    for path in ["/livez", "/readyz"] {
        assert_eq!(get(&address, path).0, "HTTP/1.1 200 OK", "{path}");
    }
    let namespace = installed.world.namespace.name.clone();
    let (_, text) = get(&address, "/metrics");
    for line in [
        format!("fluxops_object_ready{{kind=\"Delivery\",namespace=\"{namespace}\",name=\"web\"}} 1"),
        format!("fluxops_object_ready{{kind=\"GitSource\",namespace=\"{namespace}\",name=\"apps\"}} 1"),
        "fluxops_objects_changed_total{action=\"create\"} 2".to_owned(),
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(!text.contains(&installed.world.marker));

    // What only hangs about keeps nobody else from being served.
    let idle: Vec<TcpStream> = (0..4).map(|_| TcpStream::connect(&address).unwrap()).collect();
    assert_eq!(get(&address, "/livez").0, "HTTP/1.1 200 OK");
    drop(idle);

    let delivery = installed.path("deliveries", "web");
    installed.world.api.delete(&delivery);
    eventually("the metric to go", || {
        (!get(&address, "/metrics").1.contains("name=\"web\"")).then_some(())
    });
    assert_eq!(installed.stop(), Some(0));
}
