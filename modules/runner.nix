# Drone's exec runner: builds on this host, as a user that has neither the engine nor anybody's secrets.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.holdfast;
  inherit (cfg) drone;
  inherit (drone) runner;
  name = "holdfast-runner";

  # What the shell of every step is. A step has namespaces of its own: what it started ends with it, however it ends (the
  # runner kills its shell and nothing else), and it sees neither other processes nor the runner's secret. A shell within a
  # step, where that secret is hidden already, is an ordinary one. `-p`: variables of a build are no code for this script.
  secret = "/run/credentials/${name}.service";
  bash = "${pkgs.bash}/bin/bash";
  tool = program: "${pkgs.util-linux}/bin/${program}";
  shell = pkgs.runCommand "step-shell" { } ''
    mkdir -p $out/bin
    cat >$out/bin/sh <<'END'
    #!${bash} -p
    [ -e ${secret}/drone_runner_env ] || exec ${bash} --posix "$@"
    exec ${tool "unshare"} --user --map-current-user --keep-caps --mount --pid --fork --kill-child -- ${bash} -pc '
      ${tool "mount"} -t tmpfs -o ro,size=4k,mode=0700 none ${secret} &&
      ${tool "mount"} -t proc proc /proc &&
      exec ${tool "setpriv"} --ambient-caps=-all --inh-caps=-all --bounding-set=-all -- ${bash} --posix "$@"
    ' sh "$@"
    END
    chmod +x $out/bin/sh
  '';

  path = lib.makeBinPath (
    runner.packages
    ++ [
      pkgs.bash
      pkgs.coreutils
      pkgs.git
      pkgs.gnugrep
      pkgs.gnused
    ]
    ++ lib.optional config.nix.enable config.nix.package
  );
  of_engine =
    lib.elem "docker" config.users.users.${name}.extraGroups
    || lib.elem name (config.users.groups.docker.members or [ ]);
in
{
  imports = [ ./secrets.nix ];

  config = lib.mkIf (cfg.enable && runner.enable) {
    services.holdfast = {
      templates.drone_runner_env = {
        install = false;
        content = "DRONE_RPC_SECRET='{{ ${drone.rpc_secret} | env }}'\n";
      };
      handed_to.drone_runner_env = [ "${name}.service" ];
      gates = {
        runner = lib.mkDefault { unit.name = "${name}.service"; };
      }
      // lib.optionalAttrs (runner.proof != null) {
        runner_builds = lib.mkDefault {
          runner = {
            repository = runner.proof;
            within = "24h";
          };
        };
      };
      drone.runner = { inherit shell; };
    };

    users.users.${name} = {
      isSystemUser = true;
      group = name;
    };
    users.groups.${name} = { };

    systemd.services.${name} = {
      description = "Run builds of Drone on this host";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      environment = {
        DRONE_HTTP_BIND = runner.listen;
        DRONE_LIMIT_EVENTS = lib.concatStringsSep "," runner.limit_events;
        DRONE_LIMIT_REPOS = lib.concatStringsSep "," runner.limit_repos;
        DRONE_RPC_HOST = drone.host;
        DRONE_RPC_PROTO = "https";
        DRONE_RUNNER_CAPACITY = toString runner.capacity;
        DRONE_RUNNER_NAME = cfg.host.name;
        DRONE_RUNNER_PATH = path;
        DRONE_RUNNER_ROOT = "/var/lib/${name}";
      }
      // lib.optionalAttrs (runner.labels != { }) {
        DRONE_RUNNER_LABELS = lib.concatStringsSep "," (
          lib.mapAttrsToList (key: value: "${key}:${value}") runner.labels
        );
      };
      serviceConfig = (import ./hardening.nix cfg).builds // {
        ExecStart = "${runner.package}/bin/drone-runner-exec daemon %d/drone_runner_env";
        User = name;
        Group = name;
        LoadCredential = [ "drone_runner_env:/run/holdfast/credentials.sock" ];
        # It reads `.env` where it starts, so builds must not be able to write there.
        WorkingDirectory = "/";
        StateDirectory = name;
        StateDirectoryMode = "0700";
        # On NixOS there is nothing else in that folder.
        BindReadOnlyPaths = [ "${shell}/bin:/bin" ];
        Restart = "always";
        RestartSec = 5;
      };
    };

    assertions = [
      {
        assertion = runner.limit_repos != [ ];
        message = "Without limits the pipelines of every repository would run on this host. Set `services.holdfast.drone.runner.limit_repos = [ \"OWNER/NAME\" ];`.";
      }
      {
        assertion = runner.limit_events != [ ];
        message = "Without limits every push and every pull request would run on this host. Set `services.holdfast.drone.runner.limit_events = [ \"custom\" ];`.";
      }
      {
        assertion = runner.proof == null || lib.elem runner.proof runner.limit_repos;
        message = "The runner takes no build of the repository that is to prove it. Set `services.holdfast.drone.runner.limit_repos = [ \"${toString runner.proof}\" ];`.";
      }
      {
        assertion = cfg.secrets ? ${drone.rpc_secret};
        message = "The runner shows the server a secret that is not declared. Set `services.holdfast.secrets.${drone.rpc_secret}.file = ./secrets/ci.yaml;`.";
      }
      {
        assertion = !of_engine;
        message = "Who may use the engine is as good as root, and builds must not be. Take `${name}` out of the group `docker`: `users.users.${name}.extraGroups` and `users.groups.docker.members`.";
      }
    ];
  };
}
