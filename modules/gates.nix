# Proof: a unit for each stack, one for everything, and a timer that looks for drift. All of them only read.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.holdfast;
  program = lib.getExe cfg.package;
  hardening = import ./hardening.nix;
  stacks = lib.attrNames cfg.stacks ++ lib.optional (cfg.traefik != null) "traefik";
  units = map (name: "holdfast-stack-${name}.service") stacks;
  proof =
    description: arguments: more:
    {
      inherit description;
      wants = [ "network-online.target" ];
      serviceConfig = hardening.proves cfg.paths // {
        Type = "oneshot";
        ExecStart = map (words: "${program} ${words}") arguments;
      };
    }
    // more;
  # On every switch and boot, as holdfast-apply is.
  always =
    description: arguments: after:
    proof description [ arguments ] {
      wantedBy = [ "multi-user.target" ];
      after = [
        "docker.service"
        "holdfast-apply.service"
        "network-online.target"
      ]
      ++ after;
    };
in
{
  config = lib.mkIf cfg.enable {
    systemd.services =
      lib.listToAttrs (
        map (
          name:
          lib.nameValuePair "holdfast-stack-${name}" (
            always "Prove the stack ${name}" "verify ${cfg.manifest} --only stack.${name}" [ ]
          )
        ) stacks
      )
      // {
        # After the stacks: what they proved need not be waited for again, and it alone marks the generation as proven.
        holdfast-verify =
          always "Prove that the host is what its manifest says" "verify ${cfg.manifest}"
            units;

        holdfast-drift = proof "Look for drift, and for certificates that end soon" [
          "status ${cfg.manifest} --detailed-exitcode"
          "verify ${cfg.manifest}"
        ] { after = [ "docker.service" ]; };
      };

    systemd.timers.holdfast-drift = {
      description = "Look for drift, and for certificates that end soon, now and then";
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnCalendar = "hourly";
        RandomizedDelaySec = "10m";
      };
    };
  };
}
