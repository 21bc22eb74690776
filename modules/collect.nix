# A timer that removes what earlier runs brought and nothing needs any more: never a volume, never what a kept
# generation needs. `systemd.timers.holdfast-collect.enable = false;` leaves everything where it is.
{ config, lib, ... }:
let
  cfg = config.services.holdfast;
in
{
  config = lib.mkIf cfg.enable {
    systemd.services.holdfast-collect = {
      description = "Remove images and objects of earlier Holdfast generations";
      requires = [ "docker.service" ];
      after = [
        "docker.service"
        "holdfast-apply.service"
      ]
      ++ cfg.backup.units;
      serviceConfig = (import ./hardening.nix cfg).collects // {
        Type = "oneshot";
        NotifyAccess = "main";
        ExecStart = "${lib.getExe cfg.package} collect ${cfg.manifest} --lock-wait 10m";
      };
    };

    systemd.timers.holdfast-collect = {
      description = "Remove images and objects of earlier Holdfast generations now and then";
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnCalendar = "weekly";
        Persistent = true;
        RandomizedDelaySec = "1h";
      };
    };
  };
}
