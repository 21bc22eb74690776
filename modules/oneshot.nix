# One oneshot, without RemainAfterExit and wanted by multi-user.target, so that it runs on every switch and boot.
{ config, lib, ... }:
let
  cfg = config.services.holdfast;
in
{
  config = lib.mkIf cfg.enable {
    virtualisation.docker.enable = lib.mkDefault true;
    environment.systemPackages = [ cfg.package ];

    systemd.services.holdfast-apply = {
      description = "Make the Docker Swarm host equal to its manifest";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      requires = [ "docker.service" ];
      after = [
        "docker.service"
        "network-online.target"
      ];
      serviceConfig = {
        Type = "oneshot";
        ExecStart = "${lib.getExe cfg.package} apply ${cfg.manifest} --lock-wait 10m";
        # The decrypted files are mounted for the whole host to see, so no mount namespace of its own.
        NoNewPrivileges = true;
        ProtectClock = true;
        ProtectKernelModules = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = false;
        UMask = "0077";
      };
    };
  };
}
