# A timer for the proofs that write: test deliveries that show whether a webhook still has its secret, Drone's sign-in before
# it dies, a build for whoever runs it. Only where the manifest has something of that.
{ config, lib, ... }:
let
  cfg = config.services.holdfast;
  of = section: if section == null then { } else section;
  forge = of cfg.forge;
  hooks = lib.attrValues (of (of (forge.gitea or null)).webhooks or null);
  probed =
    (forge.drone or null) != null
    || lib.any (hook: hook.attest != null) hooks
    || lib.any (gate: gate.runner != null) (lib.attrValues cfg.gates);
in
{
  config = lib.mkIf (cfg.enable && probed) {
    systemd.services.holdfast-probe = {
      description = "Take the proofs anew that write";
      wants = [ "network-online.target" ];
      after = [
        "holdfast-apply.service"
        "network-online.target"
      ]
      ++ cfg.backup.units;
      serviceConfig = (import ./hardening.nix cfg).proves // {
        Type = "oneshot";
        NotifyAccess = "main";
        ExecStart = "${lib.getExe cfg.package} probe ${cfg.manifest} --lock-wait 10m";
      };
    };

    systemd.timers.holdfast-probe = {
      description = "Take the proofs anew that write, now and then";
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnCalendar = cfg.probe.calendar;
        Persistent = true;
        RandomizedDelaySec = "1h";
        # The gate of a runner counts a build for a day.
        FixedRandomDelay = true;
      };
    };
  };
}
