# Every generation that the scenarios of tests/it/switch switch between, as one folder of links.
{
  # A root with the units of Debian.
  machine,
  # Sealed values: one.yaml, two.yaml.
  sealed,
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
          token.restartUnits = [ "of-token.service" ];
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
      config.systemd.services.of-token = sleeper;
      config.systemd.services.of-other = sleeper;
    };
  holdfast_with = settings: [
    usual
    { services.holdfast = settings; }
  ];

  generations = {
    nothing = [ ];
    first = [ usual ];
    one_stack = [
      usual
      { blog = false; }
    ];
    # The module is there and off.
    off = [
      holdfast
      {
        virtualisation.docker = engine // {
          enable = true;
        };
      }
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
    second_page = holdfast_with {
      stacks.web.env.PAGE = "second.html";
      gates.page.https.body = "second";
    };
    second_value = holdfast_with { defaultSopsFile = "${sealed_in_store}/two.yaml"; };
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
