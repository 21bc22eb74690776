# A unit that proves and writes nothing but what it proved. `always`: on every switch and boot, as holdfast-apply is.
{ cfg, lib }:
let
  hardening = import ./hardening.nix cfg;
in
rec {
  proof =
    description: arguments: more:
    {
      inherit description;
      wants = [ "network-online.target" ];
      serviceConfig = hardening.proves // {
        Type = "oneshot";
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
