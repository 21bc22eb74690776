# The build runs the program's own check: a manifest that is wrong never reaches a machine.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.holdfast;
  source = (pkgs.formats.json { }).generate "manifest.json" (import ./manifest.nix cfg);
in
{
  services.holdfast = {
    host.name = lib.mkDefault config.networking.hostName;
    manifest =
      pkgs.runCommand "holdfast-manifest" { } ''
        ${lib.getExe cfg.package} compile ${source} -o $out
      ''
      # For what works on a manifest before it can be compiled: `image lock`, `secrets generate`.
      // {
        inherit source;
      };
  };
}
