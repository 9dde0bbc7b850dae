//! A way for a page's media that a test can narrow and cut: a userspace path of `client::link` for each media address of
//! the server, to which the page is led by replacing the port in the server's answer.
//!
//! Candidates for TCP are taken away, so that there is no other way round. Signalling is left alone.

use std::net::{IpAddr, Ipv4Addr};

use client::link::{Link, LinkConfig};
use serde_json::{Map, Value, json};

use super::call::Call;

/// The paths of one page.
pub(super) struct Detour {
    links: Vec<Link>,
    ports: Map<String, Value>,
}

impl Detour {
    pub(super) async fn around(call: &Call) -> Detour {
        let mut detour = Detour { links: Vec::new(), ports: Map::new() };
        for server in &call.server.summary.media {
            let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let link =
                Link::start(local, *server, LinkConfig::default(), LinkConfig::default(), 1).await.unwrap();
            detour.ports.insert(server.port().to_string(), json!(link.near().port()));
            detour.links.push(link);
        }
        detour
    }

    /// The script that leads a page here, to run before any of its own.
    pub(super) fn script(&self) -> String {
        let ports = Value::Object(self.ports.clone());
        format!(
            "const ports = {ports}; const apply = RTCPeerConnection.prototype.setRemoteDescription;
             RTCPeerConnection.prototype.setRemoteDescription = function ({{ type, sdp }}) {{
               const led = sdp.replace(/^a=candidate:\\S+ \\d+ tcp .*\\r\\n/gim, '')
                 .replace(/^(a=candidate:\\S+ \\d+ udp \\d+ \\S+ )(\\d+)/gim,
                   (all, before, port) => before + (ports[port] ?? port));
               return apply.call(this, {{ type, sdp: led }});
             }};"
        )
    }

    /// What comes from the server passes like this from now on.
    pub(super) fn set_down(&self, config: LinkConfig) {
        self.links.iter().for_each(|link| link.set_down(config));
    }

    /// Nothing passes any more, in neither direction.
    pub(super) fn cut(&self) {
        self.set_both(LinkConfig { loss: 1.0, ..LinkConfig::default() });
    }

    /// Everything passes again.
    pub(super) fn mend(&self) {
        self.set_both(LinkConfig::default());
    }

    fn set_both(&self, config: LinkConfig) {
        self.set_down(config);
        self.links.iter().for_each(|link| link.set_up(config));
    }
}
