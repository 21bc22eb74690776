# A CI host behind a gateway: the gateway terminates nothing, passes 80 and 443 on, and renews the wildcard certificate
# that it leaves in /var/lib/gateway. Gitea is elsewhere; Drone, its runner and the comment bridge are here.
{ images, lib, ... }:
let
  domain = "ci.example.org";
  forge = "https://git.example.org";
  # Where Gitea and Drone reach the bridge: Drone removes hooks that lead to its own name.
  bridge = "${address}:8787";
  address = "192.0.2.20";
  certificate = "/var/lib/gateway/${domain}";
  # What Gitea makes and tells once, by the secret that keeps it.
  made = {
    bot_token = "tokens.bridge";
    drone_client_id = "oauth_applications.drone.client_id";
    drone_client_secret = "oauth_applications.drone.client_secret";
  };
in
{
  networking.hostName = "ci";
  nixpkgs.hostPlatform = "x86_64-linux";
  system.stateVersion = "25.11";
  boot.isContainer = true;
  # Its licence is for people and small companies; who is neither builds it without the parts that are not free.
  nixpkgs.config.allowUnfreePredicate = package: lib.getName package == "drone-runner-exec";
  networking.firewall.allowedTCPPorts = [ 8787 ];

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
      # Built with `-tags nolimit` and pushed to a registry of one's own: `-tags oss` knows no runners.
      drone.reference = "registry.example.org/ci/drone:1.10.1@sha256:${
        lib.concatMapStrings (_: "0") (lib.genList (n: n) 64)
      }";
    };

    # Made and sealed where the checkout is; the host's own key opens them.
    defaultSopsFile = ../../secrets/ci.yaml;
    secrets =
      lib.genAttrs [
        "drone_cookie"
        "drone_rpc"
        "drone_token"
        "drone_webhook"
        "gitea_admin"
        "hook"
      ] (_: { })
      // lib.mapAttrs (_: of: {
        generator = {
          where = "host";
          forge.of = "gitea.${of}";
        };
      }) made;
    # Who may read what Gitea makes and the host keeps: the host itself, and who would set it up again.
    identities = {
      public_keys = [
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
      ];
      admins = [ "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p" ];
    };

    drone = {
      enable = true;
      host = "drone.${domain}";
      image = "drone";
      gitea.url = forge;
      oauth = {
        id = "drone_client_id";
        secret = "drone_client_secret";
      };
      rpc_secret = "drone_rpc";
      cookie_secret = "drone_cookie";
      admin = {
        username = "holdfast";
        token = "drone_token";
        password = "gitea_admin";
      };
      at = [ "${address}:443" ];
      webhook.secret = "drone_webhook";
      runner = {
        enable = true;
        capacity = 2;
        limit_repos = [
          "team/hello"
          "team/recipes"
        ];
        proof = "team/hello";
      };
    };

    bridge = {
      listen = bridge;
      forge = {
        kind = "gitea";
        url = forge;
        hook_secrets = [ { secret = "hook"; } ];
      };
      bot = {
        login = "testbot";
        token.secret = "bot_token";
      };
      repositories."team/recipes" = {
        id = 7;
        parameters.RECIPE.one_of = [
          "gitea"
          "nextcloud"
        ];
      };
    };

    forge.gitea = {
      url = forge;
      admin = {
        username = "holdfast";
        password.secret = "gitea_admin";
      };
      users.testbot.email = "testbot@example.org";
      tokens.bridge = {
        user = "testbot";
        scopes = [
          "write:issue"
          "write:repository"
        ];
      };
      oauth_applications.drone = {
        owner = "holdfast";
        redirect_uris = [ "https://drone.${domain}/login" ];
      };
      repositories = {
        "team/hello" = { };
        "team/recipes".collaborators.testbot = "write";
      };
      webhooks.bridge = {
        repository = "team/recipes";
        url = "http://${bridge}/hook";
        events = [
          "pull_request_comment"
          "push"
        ];
        secret.secret = "hook";
        attest.status = "http://127.0.0.1:8788";
      };
    };
    # Builds are asked for by comments; a push and a pull request make none.
    forge.drone.repositories = lib.genAttrs [ "team/hello" "team/recipes" ] (_: {
      trusted = false;
      timeout = "1h";
      ignore_pull_requests = true;
    });

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
      # It has every secret that it needs.
      bridge_works.https = {
        url = "http://127.0.0.1:8788/readyz";
        status = [ "200" ];
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
      # The system that runs is the one that these options made, and its files are as they were built.
      system.closure.unit = "holdfast-apply.service";
      store.store = { };
      # The engine is for this host alone.
      engine_is_closed.tcp = {
        address = "${address}:2375";
        closed = true;
      };
    };
  };
}
