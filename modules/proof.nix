# A unit that proves and writes nothing but what it proved. `always`: on every switch and boot, as holdfast-apply is.
{
  cfg,
  config,
  lib,
}:
let
  hardening = import ./hardening.nix cfg;
in
rec {
  proof = description: arguments: after: {
    inherit description;
    wants = [ "network-online.target" ];
    # What is being applied is no drift.
    after = [
      "docker.service"
      "holdfast-apply.service"
      "network-online.target"
    ]
    ++ after;
    # Who asks for the hashes of the gate `store`.
    path = lib.optional config.nix.enable config.nix.package;
    serviceConfig = hardening.proves // {
      Type = "oneshot";
      NotifyAccess = "main";
      ExecStart = map (words: "${lib.getExe cfg.package} ${words}") arguments;
    };
  };
  always =
    description: arguments: after:
    proof description [ arguments ] after
    // {
      wantedBy = [ "multi-user.target" ];
    };
  # Every stack that the manifest has.
  stacks = lib.attrNames cfg.stacks ++ lib.optional (cfg.traefik != null) "traefik";
}
