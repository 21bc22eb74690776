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
  proof =
    description: arguments: more:
    {
      inherit description;
      wants = [ "network-online.target" ];
      # Who asks for the hashes of the gate `store`.
      path = lib.optional config.nix.enable config.nix.package;
      serviceConfig = hardening.proves // {
        Type = "oneshot";
        NotifyAccess = "main";
        ExecStart = map (words: "${lib.getExe cfg.package} ${words}") arguments;
      };
    }
    // more;
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
  # Every stack that the manifest has.
  stacks = lib.attrNames cfg.stacks ++ lib.optional (cfg.traefik != null) "traefik";
}
