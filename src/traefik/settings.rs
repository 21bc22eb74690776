//! Traefik's static configuration.

use std::fmt::Write as _;

use crate::manifest::Traefik;

/// Where it lies in the container: one of the places where Traefik looks, so that `traefik healthcheck` finds it too.
pub(super) const PATH: &str = "/etc/traefik/traefik.yml";

/// The folder that Traefik watches.
pub(super) const DYNAMIC: &str = "/etc/traefik/dynamic";

/// Where the filtering engine proxy listens.
pub(super) const PROXY_PORT: u16 = 2375;

pub(super) const LEVELS: [&str; 7] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "PANIC"];

/// The text of the static configuration.
pub(super) fn text(traefik: &Traefik) -> String {
    let (web, secure, ping) = (traefik.web_port, traefik.web_secure_port, ping_port(traefik));
    let network = serde_json::Value::from(traefik.network.as_str());
    let level = &traefik.log_level;
    let mut text = format!(
        r#"global:
  checkNewVersion: false
  sendAnonymousUsage: false
log:
  level: {level}
  noColor: true
ping:
  entryPoint: ping
entryPoints:
  ping:
    address: "127.0.0.1:{ping}"
  web:
    address: ":{web}"
    http:
      redirections:
        entryPoint:
          to: web-secure
          scheme: https
          permanent: true
  web-secure:
    address: ":{secure}"
    asDefault: true
    http:
      tls: {{}}
providers:
  file:
    directory: {DYNAMIC}
    watch: true
  swarm:
    endpoint: "tcp://socket-proxy:{PROXY_PORT}"
    exposedByDefault: false
    network: {network}
    refreshSeconds: 5
"#
    );
    if traefik.access_log {
        let _ = writeln!(text, "accessLog: {{}}");
    }
    text
}

/// A port on the container's loopback that meets no entry point.
fn ping_port(traefik: &Traefik) -> u16 {
    let taken = [traefik.web_port, traefik.web_secure_port];
    [8082, 8083, 8084].into_iter().find(|port| !taken.contains(port)).unwrap_or(8082)
}
