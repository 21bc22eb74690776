# Makes the host equal to the manifest, on every switch and every boot: a oneshot without RemainAfterExit is inactive
# again once it is done, so that multi-user.target, which each switch starts again, starts it again too.
# docs/decisions/0017-units-of-a-host.md says why gates have units of their own.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.holdfast;
  program = lib.getExe cfg.package;
  hardening = import ./hardening.nix cfg;
in
{
  config = lib.mkIf cfg.enable {
    # `holdfast plan` by hand is about this host, and after each switch about what was switched to.
    environment = {
      systemPackages = [ cfg.package ];
      etc.holdfast.source = cfg.manifest;
      sessionVariables.HOLDFAST_MANIFEST = "/etc/holdfast";
    };

    systemd.services.holdfast-apply = {
      description = "Make the Docker Swarm host equal to its manifest";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      requires = [ "docker.service" ];
      after = [
        "docker.service"
        "holdfast-secrets.service"
        "network-online.target"
      ];
      serviceConfig = hardening.applies // {
        Type = "oneshot";
        # What is under way, in `systemctl status`.
        NotifyAccess = "main";
        ExecStart = "${program} apply ${cfg.manifest} --no-verify --lock-wait 10m";
      };
    };

    # `nixos-rebuild dry-activate` prints the plan. It fails nothing: an engine that is off has none.
    system.activationScripts.holdfast_plan = {
      supportsDryActivation = true;
      text = ''
        if [ "''${NIXOS_ACTION:-}" = dry-activate ]; then
          PATH=${config.systemd.package}/bin:$PATH ${program} plan ${cfg.manifest} || true
        fi
      '';
    };
  };
}
