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
  oneshot = {
    Type = "oneshot";
    LimitCORE = 0;
    NoNewPrivileges = true;
    ProtectClock = true;
    ProtectKernelModules = true;
    RestrictRealtime = true;
    UMask = "0077";
  };
in
{
  config = lib.mkIf (cfg.enable && declared != [ ]) {
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
      wantedBy = [ "sysinit.target" ];
      after = [ "local-fs.target" ];
      before = [
        "sysinit.target"
        "systemd-sysusers.service"
        "userborn.service"
      ];
      unitConfig.DefaultDependencies = false;
      serviceConfig = oneshot // {
        ExecStart = "${install} --for-users";
      };
    };

    systemd.sockets.holdfast-credentials =
      lib.mkIf (lib.any (one: one.credentials != null && one.credentials != [ ]) declared)
        {
          description = "Secrets for units, by LoadCredential=NAME:/run/holdfast/credentials.sock";
          wantedBy = [ "sockets.target" ];
          socketConfig = {
            ListenStream = "/run/holdfast/credentials.sock";
            SocketMode = "0600";
          };
        };

    systemd.services.holdfast-credentials =
      lib.mkIf (lib.any (one: one.credentials != null && one.credentials != [ ]) declared)
        {
          description = "Give secrets to units that load them as credentials";
          serviceConfig = {
            ExecStart = "${program} credentials serve ${cfg.manifest}";
            StandardInput = "socket";
            StandardOutput = "journal";
            StandardError = "journal";
            LimitCORE = 0;
            NoNewPrivileges = true;
            PrivateNetwork = true;
            ProtectSystem = "strict";
            ReadWritePaths = [ "-/run/holdfast" ];
            ProtectHome = "read-only";
            UMask = "0077";
          };
        };
  };
}
