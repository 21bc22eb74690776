# A host is data: names, addresses, and which modules. `manifest.json` beside this file is what `make demo` runs: the same
# host on a private engine, which a test keeps equal.
{ images, ... }:
let
  address = "192.0.2.10";
  # What `make demo` makes in its own folder.
  files = "/var/lib/holdfast-demo";
in
{
  networking.hostName = "demo";
  nixpkgs.hostPlatform = "x86_64-linux";
  system.stateVersion = "25.11";
  # No disks and no boot loader: it is here to be evaluated, and to be copied from.
  boot.isContainer = true;

  services.holdfast = {
    enable = true;
    instance = "demo";
    engine.address = "unix:///run/docker.sock";
    swarm = {
      advertise = address;
      listen = "${address}:2377";
      task_history = 2;
      labels.site = "demo";
    };
    node.labels.role = "edge";
    networks.proxy.attachable = true;

    images = {
      traefik.archive = images.traefik;
      holdfast.archive = images.holdfast;
      httpbin.archive = images.httpbin;
    };

    identities = {
      age_key_files = [ "${files}/age.key" ];
      ssh_key_files = [ ];
    };
    defaultSopsFile = "${files}/secrets.sops.yaml";
    secrets = {
      tls_key.key = "tls/key";
      app_token.key = "app/token";
      naming_key.key = "naming_key";
    };
    naming_key = "naming_key";

    traefik = {
      image = "traefik";
      proxy_image = "holdfast";
      certificates = [
        {
          chain.file = "${files}/wildcard.pem";
          key.secret = "tls_key";
        }
      ];
    };

    stacks.app = {
      # With its folder, for it names a file beside it.
      compose = [ "${./.}/app.compose.yml" ];
      env.HOST = "app.demo.example.org";
      images.app = "httpbin";
    };

    gates = {
      app_https.https = {
        url = "https://app.demo.example.org/get";
        at = [ "${address}:443" ];
        ca = "${files}/ca.pem";
        status = [ "200" ];
        headers.content-type = "^application/json";
        body = "\"X-Forwarded-Proto\": \\[\\s*\"https\"";
      };
      app_redirect.https = {
        url = "http://app.demo.example.org/get";
        at = [ "${address}:80" ];
        redirect.to = "https://app.demo.example.org/get";
      };
      nobody_else.https = {
        url = "https://other.demo.example.org/";
        at = [ "${address}:443" ];
        ca = "${files}/ca.pem";
        status = [ "404" ];
      };
      wildcard.certificate = {
        name = "app.demo.example.org";
        at = [ "${address}:443" ];
        ca = "${files}/ca.pem";
        subject_names = [ "*.demo.example.org" ];
        issuer = "Holdfast demo CA";
        min_days = 14;
        min_tls = "1.2";
        equals = "${files}/wildcard.pem";
        key = "/run/holdfast/secrets/tls_key";
      };
      key_file.file = {
        path = "/run/holdfast/secrets/tls_key";
        mode = "0400";
        owner = "root";
        group = "root";
        shape = "(?s)^-----BEGIN PRIVATE KEY-----\\n.*-----END PRIVATE KEY-----\\n$";
      };
      web_secure_open.tcp.address = "${address}:443";
      app_not_published.tcp = {
        address = "${address}:8080";
        closed = true;
      };
      app_log_clean.absence = {
        stack = "app";
        service = "app";
        pattern = "(?i)panic|level=(warn|error)";
        proof_of_life = "uri=/get";
      };
    };
  };
}
