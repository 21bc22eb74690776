# Every generation that the scenarios of tests/it/switch switch between, as one folder of links.
{
  # A root with the units of Debian.
  machine,
  # Sealed values: one.yaml, two.yaml.
  sealed,
  # The real Drone server.
  drone,
}:
let
  nixpkgs = import ../nix/stub { base = import ../nix/stub/lib; };
  inherit (nixpkgs) lib;
  pkgs = nixpkgs.legacyPackages.x86_64-linux;
  holdfast = import ../../modules {
    self.packages.x86_64-linux.default = pkgs.rustPlatform.buildRustPackage {
      pname = "holdfast";
      version = "0";
    };
  };
  sealed_in_store = builtins.path {
    path = sealed;
    name = "sealed";
  };
  rootfs = pkgs.runCommand "rootfs.tar" { } ''
    mkdir -p root/bin root/www root/run
    cp $(command -v busybox) root/bin/busybox
    ln root/bin/busybox root/bin/httpd
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C root -cf $out .
  '';
  # In the place of Traefik: it has the files that Traefik would serve, and says that it is well.
  gateway = pkgs.runCommand "gateway.tar" { } ''
    mkdir -p root/bin
    cp $(command -v busybox) root/bin/busybox
    cat >root/bin/traefik <<'END'
    #!/bin/busybox sh
    [ "$1" != healthcheck ] || exit 0
    trap 'exit 0' TERM
    while :; do /bin/busybox sleep 3600 & wait $!; done
    END
    chmod +x root/bin/traefik
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C root -cf $out .
  '';
  server = pkgs.runCommand "drone.tar" { } ''
    mkdir -p root/lib64
    cp ${drone} root/drone-server
    for library in $(ldd ${drone} | grep -oE '/[^ ]+'); do
      mkdir -p root$(dirname $library)
      cp -L $library root$library
    done
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C root -cf $out .
  '';
  sleeper = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig.ExecStart = "/bin/sleep infinity";
  };

  # A unit of somebody who may read one of the two.
  reader = name: {
    serviceConfig = {
      Type = "oneshot";
      User = "visitor";
      ExecStart = "/bin/cat /run/holdfast/secrets/${name}";
    };
  };

  # Its log names every request.
  engine = {
    liveRestore = false;
    daemon.settings.debug = true;
  };

  # What the others differ from.
  usual =
    { config, ... }:
    {
      imports = [ holdfast ];
      options.blog = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Whether the second stack is there.";
      };
      config.services.holdfast = {
        enable = true;
        soak = "1s";
        swarm = {
          advertise = "198.18.0.2";
          listen = "198.18.0.2:2377";
          task_history = 1;
        };
        images.app = {
          inherit rootfs;
          config.entrypoint = [
            "/bin/httpd"
            "-f"
            "-p"
            "8080"
            "-h"
            "/www"
          ];
        };
        identities = {
          age_key_files = [ "/srv/share/age.txt" ];
          ssh_key_files = [ ];
        };
        defaultSopsFile = lib.mkDefault "${sealed_in_store}/one.yaml";
        secrets = {
          token = {
            restartUnits = [
              "of-token.service"
              "of-credential.service"
            ];
            credentials = [ "of-credential.service" ];
          };
          other.restartUnits = [ "of-other.service" ];
        };
        stacks = {
          web = {
            compose = [ "${./stacks}/web.yml" ];
            env.PAGE = lib.mkDefault "first.html";
            images.app = "app";
            deadline = "5m";
          };
          blog = lib.mkIf config.blog {
            compose = [ "${./stacks}/blog.yml" ];
            images.app = "app";
            deadline = "5m";
          };
        };
        gates.page = {
          https = {
            url = "http://198.18.0.2:8080/index.html";
            status = [ "200" ];
            body = lib.mkDefault "first";
          };
          soak = "500ms";
        };
      };
      config.virtualisation.docker = engine;
      # Keeps what it was given as it started.
      config.systemd.services.of-credential = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          Type = "exec";
          LoadCredential = "token:/run/holdfast/credentials.sock";
          ExecStart = "/bin/sh -c 'cp %d/token /run/of-credential; exec sleep infinity'";
        };
      };
      config.systemd.services.of-token = sleeper;
      config.systemd.services.of-other = sleeper;
    };
  # The engine alone.
  without.virtualisation.docker = engine // {
    enable = true;
  };
  holdfast_with = settings: [
    usual
    { services.holdfast = settings; }
  ];

  # The bridge beside them; nobody answers where it would ask.
  bridged = {
    blog = false;
    services.holdfast = {
      secrets = lib.genAttrs [
        "hook"
        "bot"
        "drone"
      ] (_: { });
      bridge = {
        forge = {
          kind = "gitea";
          url = "http://127.0.0.1:9";
          hook_secrets = [ { secret = "hook"; } ];
        };
        bot = {
          login = "testbot";
          token.secret = "bot";
        };
        drone = {
          url = "http://127.0.0.1:9";
          token.secret = "drone";
        };
        repositories."team/app".id = 7;
      };
    };
  };
  ci_with = settings: [
    usual
    bridged
    {
      services.holdfast = {
        secrets.rpc = { };
        networks.proxy = { };
        images.drone = {
          rootfs = server;
          config.entrypoint = [ "/drone-server" ];
        };
        # Nobody routes to it here.
        gates = {
          drone.swarm.stack = "drone";
          drone_auth.swarm.stack = "drone";
          drone_metrics.swarm.stack = "drone";
        };
        drone = {
          enable = true;
          host = "127.0.0.1:9";
          image = "drone";
          gitea.url = "http://127.0.0.1:9";
          oauth = {
            id = "hook";
            secret = "hook";
          };
          rpc_secret = "rpc";
          cookie_secret = "hook";
          admin = {
            username = "admin";
            token = "drone";
          };
          runner = {
            enable = true;
            package = runner;
            limit_repos = [ "team/app" ];
          };
        };
      };
    }
    (
      { config, ... }:
      {
        # What a Debian's systemd does not know anyway would restart the engine at each switch to these and back.
        systemd.services.docker.enable = false;
        # A Debian has everything in that folder.
        systemd.services.holdfast-runner.serviceConfig.BindReadOnlyPaths = lib.mkForce [
          "${config.services.holdfast.drone.runner.shell}/bin/sh:/bin/sh"
        ];
      }
    )
    { services.holdfast = settings; }
  ];

  # The real one, which is put there.
  runner = pkgs.runCommand "drone-runner-exec" { } ''
    mkdir -p $out/bin
    ln -s /srv/share/drone-runner-exec $out/bin/drone-runner-exec
  '';

  generations = {
    nothing = [ ];
    ci = ci_with { };
    # Its sops file does not have the token.
    ci_without_bot = ci_with { secrets.bot.key = "nobody"; };
    ci_second_value = ci_with { defaultSopsFile = "${sealed_in_store}/two.yaml"; };
    ci_second_page = ci_with {
      stacks.web.env.PAGE = "second.html";
      gates.page.https.body = "second";
    };
    first = [ usual ];
    # A forge that calls the bridge, which is asked whether it has heard: tests/it/switch/probe.rs starts it.
    probed = [
      usual
      bridged
      {
        services.holdfast = {
          secrets.admin = { };
          forge.gitea = {
            url = "http://127.0.0.1:3000";
            admin = {
              username = "root-admin";
              password.secret = "admin";
            };
            organisations.team = { };
            repositories."team/app".auto_init = true;
            webhooks.bridge = {
              repository = "team/app";
              url = "http://127.0.0.1:8787/hook";
              events = [
                "pull_request_comment"
                "push"
              ];
              secret.secret = "hook";
              attest = {
                status = "http://127.0.0.1:8788";
                timeout = "3s";
              };
            };
          };
        };
      }
    ];
    one_stack = [
      usual
      { blog = false; }
    ];
    # The module is there and off.
    off = [
      holdfast
      without
    ];
    no_certificate = holdfast_with {
      gates.certificate = {
        file = {
          path = "/var/lib/acme/app.example.org/fullchain.pem";
          shape = "^-----BEGIN CERTIFICATE-----";
        };
        deadline = "1s";
      };
    };
    users = [
      usual
      {
        services.holdfast.secrets = {
          hash.neededForUsers = true;
          other.owner = "visitor";
        };
        users.users.visitor.hashedPasswordFile = "/run/holdfast/secrets-for-users/hash";
        systemd.services = {
          reads-own = reader "other";
          reads-others = reader "token";
        };
      }
    ];
    renewed = holdfast_with {
      networks.proxy = { };
      images.gateway = {
        rootfs = gateway;
        config.entrypoint = [ "/bin/traefik" ];
      };
      traefik = {
        image = "gateway";
        proxy_image = "gateway";
        certificates = [
          {
            chain.file = "/var/lib/gateway/chain.pem";
            key.file = "/var/lib/gateway/key.pem";
          }
        ];
      };
    };
    # The first, which goes back to the one before alone.
    forgets = holdfast_with { keep.generations = 0; };
    rules_before = [
      without
      ./rules.nix
      { after = false; }
    ];
    rules_after = [
      without
      ./rules.nix
      { after = true; }
    ];
    second_page = holdfast_with {
      stacks.web.env.PAGE = "second.html";
      gates.page.https.body = "second";
    };
    second_page_and_value = holdfast_with {
      defaultSopsFile = "${sealed_in_store}/two.yaml";
      stacks.web.env.PAGE = "second.html";
      gates.page.https.body = "second";
    };
    failing_gate = holdfast_with {
      gates.nobody = {
        tcp.address = "198.18.0.2:8099";
        deadline = "1s";
      };
    };
    failing_gate_and_page = holdfast_with {
      stacks.web.env.PAGE = "second.html";
      gates.page = {
        https.body = "neither";
        deadline = "2s";
      };
    };
  };
in
pkgs.linkFarm "generations" (
  lib.mapAttrsToList (name: modules: {
    inherit name;
    path = import ./generation.nix {
      inherit
        nixpkgs
        machine
        name
        modules
        ;
    };
  }) generations
)
