# Every folder of hosts/ is a system. A host may ask for `images`: the archives of this flake, by name.
{ lib, self }:
let
  folders = lib.filterAttrs (_: kind: kind == "directory") (builtins.readDir ../hosts);
  images =
    { pkgs, ... }:
    let
      packages = self.packages.${pkgs.stdenv.hostPlatform.system};
    in
    {
      _module.args.images = {
        traefik = "${packages.image-traefik}";
        holdfast = "${packages.image-holdfast}";
        httpbin = "${packages.image-httpbin}";
      };
    };
in
lib.mapAttrs (
  name: _:
  lib.nixosSystem {
    modules = [
      self.nixosModules.default
      images
      (../hosts + "/${name}")
    ];
  }
) folders
