# A CI host behind a gateway: the gateway terminates nothing, passes 80 and 443 on, and renews the wildcard certificate
# that it leaves in /var/lib/gateway. The pieces of CI itself (server, runner, bridge, recipes) are added here as they come.
{ images, ... }:
let
  domain = "ci.example.org";
  address = "192.0.2.20";
  certificate = "/var/lib/gateway/${domain}";
in
{
  networking.hostName = "ci";
  nixpkgs.hostPlatform = "x86_64-linux";
  system.stateVersion = "25.11";
  boot.isContainer = true;

  services.holdfast = {
    enable = true;
    swarm = {
      advertise = address;
      task_history = 2;
    };
    node.labels.role = "ci";
    # Builds make many small networks; these meet none of the gateway's.
    docker.addressPools = [
      {
        base = "10.210.0.0/16";
        size = 24;
      }
    ];
    networks.proxy.attachable = true;

    images = {
      traefik.archive = images.traefik;
      holdfast.archive = images.holdfast;
    };

    traefik = {
      image = "traefik";
      proxy_image = "holdfast";
      certificates = [
        {
          chain.file = "${certificate}/fullchain.pem";
          key.file = "${certificate}/key.pem";
        }
      ];
    };

    gates = {
      wildcard.certificate = {
        name = domain;
        at = [ "${address}:443" ];
        subject_names = [ "*.${domain}" ];
        min_days = 14;
        min_tls = "1.2";
        equals = "${certificate}/fullchain.pem";
        key = "${certificate}/key.pem";
      };
      # What has no route of its own gets nothing.
      nobody_else.https = {
        url = "https://other.${domain}/";
        at = [ "${address}:443" ];
        status = [ "404" ];
      };
      plain_is_redirected.https = {
        url = "http://${domain}/";
        at = [ "${address}:80" ];
        redirect.to = "https://${domain}/";
      };
      # The engine is for this host alone.
      engine_is_closed.tcp = {
        address = "${address}:2375";
        closed = true;
      };
    };
  };
}
