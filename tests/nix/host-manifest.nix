# The manifest of a host of hosts/, with images under names in place of archives.
{
  host,
  lib ? import ./stub/lib,
}:
let
  nixpkgs = import ./stub { base = lib; };
  program = nixpkgs.legacyPackages.x86_64-linux.rustPlatform.buildRustPackage {
    pname = "holdfast";
    version = "0";
  };
  system = nixpkgs.lib.nixosSystem {
    modules = [
      (import ../../modules { self.packages.x86_64-linux.default = program; })
      (../../hosts + "/${host}")
      {
        _module.args.images = lib.genAttrs [ "traefik" "holdfast" "httpbin" ] (name: "/images/${name}.tar");
      }
    ];
  };
in
import ../../modules/manifest.nix system.config.services.holdfast
