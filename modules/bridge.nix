# The comment bridge: a user of its own, a socket that outlives its restarts, and its secrets as credentials.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.holdfast;
  inherit (cfg) bridge;
  program = lib.getExe cfg.package;
  name = "holdfast-bridge";
  state = "/var/lib/${name}";
  journal = if bridge.journal == null then "${state}/journal.db" else bridge.journal;
  named = map (one: one.secret) (
    bridge.forge.hook_secrets
    ++ [
      bridge.bot.token
      bridge.drone.token
    ]
    ++ builtins.filter (one: one != null) [
      bridge.status_token
      bridge.drone.webhook_secret
    ]
  );

  # What concerns the bridge and nothing else, so that no other change of the manifest restarts it. Where its secrets are
  # kept it never learns: systemd hands them over.
  source = (pkgs.formats.json { }).generate "bridge.json" (
    import ./manifest.nix {
      inherit (cfg) host instance paths;
      bridge = bridge // {
        inherit journal;
      };
      secrets = lib.genAttrs named (_: {
        file = "handed-over.yaml";
      });
    }
  );
  manifest = pkgs.runCommand name { } ''
    ${program} check --manifest-only ${source}
    ln -s ${source} $out
  '';
in
{
  imports = [ ./secrets.nix ];

  config = lib.mkIf (cfg.enable && bridge != null) {
    services.holdfast = {
      handed_to = lib.genAttrs named (_: [ "${name}.service" ]);
      gates = {
        bridge = lib.mkDefault { unit.name = "${name}.service"; };
        # Who signs nothing is refused, where deliveries arrive and nowhere else.
        bridge_auth = lib.mkDefault {
          auth = {
            url = "http://${bridge.listen}/hook";
            method = "POST";
          };
        };
      };
    };

    users.users.${name} = {
      isSystemUser = true;
      group = name;
    };
    users.groups.${name} = { };

    systemd.sockets.${name} = {
      description = "What forges deliver";
      wantedBy = [ "sockets.target" ];
      socketConfig = {
        ListenStream = bridge.listen;
        # The address may come later.
        FreeBind = true;
      };
    };

    systemd.services.${name} = {
      description = "Turn comments on pull requests into builds";
      wantedBy = [ "multi-user.target" ];
      requires = [ "${name}.socket" ];
      after = [
        "${name}.socket"
        "network.target"
      ];
      serviceConfig = (import ./hardening.nix cfg).listens // {
        Type = "notify";
        NotifyAccess = "main";
        ExecStart = "${program} bridge serve ${manifest}";
        StandardInput = "socket";
        StandardOutput = "journal";
        StandardError = "journal";
        User = name;
        Group = name;
        LoadCredential = map (secret: "${secret}:/run/holdfast/credentials.sock") (lib.unique named);
        StateDirectory = name;
        StateDirectoryMode = "0700";
        ReadWritePaths = [ "-${builtins.dirOf journal}" ];
        # Requests that have begun are answered first.
        TimeoutStopSec = 30;
        Restart = "always";
        RestartSec = 5;
        WatchdogSec = 30;
      };
    };
  };
}
