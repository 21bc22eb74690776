# Secrets on the host: before users are made, where one is needed for them; before the engine starts; credentials.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.holdfast;
  program = lib.getExe cfg.package;
  declared = lib.attrValues cfg.secrets ++ lib.attrValues cfg.templates;
  install = "${program} secrets install ${cfg.manifest} --lock-wait 5m";
  for_users = lib.any (one: one.needed_for_users == true) declared;
  # Where users are made by a unit and not by the activation script.
  by_unit = config.systemd.sysusers.enable || (config.services.userborn.enable or false);
  hardening = import ./hardening.nix cfg;
  oneshot = hardening.installs // {
    Type = "oneshot";
    NotifyAccess = "main";
  };
  # Units that use a secret start after it is there, and without it where it is bad: one secret holds back nobody else.
  list = value: if value == null then [ ] else value;
  users = lib.unique (lib.concatMap (one: list one.restart_units ++ list one.reload_units) declared);
  after_secrets =
    kind:
    lib.listToAttrs (
      map (
        name:
        lib.nameValuePair (lib.removeSuffix ".${kind}" name) {
          wants = [ "holdfast-secrets.service" ];
          after = [ "holdfast-secrets.service" ];
        }
      ) (lib.filter (lib.hasSuffix ".${kind}") users)
    );
  # Who loads one asks a socket, which a switch may start in the same breath.
  loads = lib.unique (lib.concatMap (one: list one.credentials) declared);
  credentials = loads != [ ];
in
{
  config = lib.mkIf (cfg.enable && declared != [ ]) (
    lib.mkMerge [
      {
        systemd = {
          services = after_secrets "service";
          sockets = after_secrets "socket";
          targets = after_secrets "target";
          timers = after_secrets "timer";
        };
      }
      {
        systemd.services = lib.listToAttrs (
          map (
            name:
            lib.nameValuePair (lib.removeSuffix ".service" name) {
              wants = [ "holdfast-credentials.socket" ];
              after = [ "holdfast-credentials.socket" ];
            }
          ) loads
        );
      }
      {
        systemd.services.holdfast-secrets = {
          description = "Install secrets, and tell the units that use what changed";
          wantedBy = [ "multi-user.target" ];
          before = [ "docker.service" ];
          serviceConfig = oneshot // {
            ExecStart = install;
          };
        };

        system.activationScripts = lib.mkIf (for_users && !by_unit) {
          holdfast_secrets_for_users = {
            deps = [ "specialfs" ];
            text = "${install} --for-users";
            supportsDryActivation = false;
          };
          users.deps = [ "holdfast_secrets_for_users" ];
        };

        systemd.services.holdfast-secrets-for-users = lib.mkIf (for_users && by_unit) {
          description = "Install the secrets that are needed before users are made";
          wantedBy = [
            "sysinit.target"
            # What a switch starts again of what belongs to an early boot.
            "sysinit-reactivation.target"
          ];
          after = [ "local-fs.target" ];
          conflicts = [ "shutdown.target" ];
          before = [
            "shutdown.target"
            "sysinit.target"
            "sysinit-reactivation.target"
            "systemd-sysusers.service"
            "userborn.service"
          ];
          unitConfig.DefaultDependencies = false;
          serviceConfig = oneshot // {
            ExecStart = "${install} --for-users";
          };
        };

        systemd.sockets.holdfast-credentials = lib.mkIf credentials {
          description = "Secrets for units, by LoadCredential=NAME:/run/holdfast/credentials.sock";
          wantedBy = [ "sockets.target" ];
          socketConfig = {
            ListenStream = "/run/holdfast/credentials.sock";
            SocketMode = "0600";
          };
        };

        systemd.services.holdfast-credentials = lib.mkIf credentials {
          description = "Give secrets to units that load them as credentials";
          serviceConfig = hardening.serves // {
            ExecStart = "${program} credentials serve ${cfg.manifest}";
            StandardInput = "socket";
            StandardOutput = "journal";
            StandardError = "journal";
          };
        };
      }
    ]
  );
}
