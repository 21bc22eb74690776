# Proof of the whole host, on every switch and boot, and now and then.
{ config, lib, ... }:
let
  cfg = config.services.holdfast;
  proofs = import ./proof.nix { inherit cfg config lib; };
  inherit (cfg.drift) textfile;
  metrics = lib.optionalString (textfile != null) " --textfile ${textfile}";
  writable =
    (import ./hardening.nix cfg).proves.ReadWritePaths
    ++ lib.optional (textfile != null) (builtins.dirOf textfile);
in
{
  imports = [ ./swarm.nix ];

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = config.nix.enable || lib.all (gate: gate.store == null) (lib.attrValues cfg.gates);
        message = "A gate `store` asks Nix, which this host does not have. Set `nix.enable = true;`, or leave the gate out of `services.holdfast.gates`.";
      }
    ];

    systemd.services = {
      # After the stacks: what they proved need not be waited for again, and it alone marks the generation as proven.
      holdfast-verify =
        proofs.always "Prove that the host is what its manifest says" "verify ${cfg.manifest}"
          (map (name: "holdfast-stack-${name}.service") proofs.stacks);

      holdfast-drift = lib.recursiveUpdate (proofs.proof
        "Look for drift, and for certificates that end soon"
        [
          ("status ${cfg.manifest} --detailed-exitcode" + metrics)
          "verify ${cfg.manifest}"
        ]
        [ ]
      ) { serviceConfig.ReadWritePaths = writable; };
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
