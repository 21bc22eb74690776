# The package, clippy, the manifest of every host, what the modules make of options, the options' words, and the VM tests.
{ pkgs, self }:
let
  inherit (pkgs) lib;
  package = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
  # Values alone: what they name need not be built for it.
  written =
    name: value:
    pkgs.writeText "${name}.json" (builtins.unsafeDiscardStringContext (builtins.toJSON value));

  # Every file of tests/nixos is a test: none can be forgotten. A check is called what its derivation is called.
  files = lib.filterAttrs (name: _: lib.hasSuffix ".nix" name) (builtins.readDir ../tests/nixos);
  vm_tests = lib.mapAttrs' (
    name: _:
    let
      test = pkgs.testers.runNixOSTest {
        imports = [ (../tests/nixos + "/${name}") ];
        name = lib.removeSuffix ".nix" name;
        globalTimeout = 900;
        defaults.imports = [
          self.nixosModules.default
          ../tests/nixos/common/host.nix
        ];
      };
    in
    lib.nameValuePair test.name test
  ) files;

  manifests = lib.mapAttrs' (
    name: host: lib.nameValuePair "manifest-${name}" host.config.services.holdfast.manifest
  ) self.nixosConfigurations;
in
{
  inherit package;

  clippy = package.overrideAttrs (old: {
    pname = "${old.pname}-clippy";
    nativeBuildInputs = old.nativeBuildInputs ++ [ pkgs.clippy ];
    buildPhase = "cargo clippy --offline --all-targets -- -D warnings";
    doCheck = false;
    installPhase = "touch $out";
  });

  modules = written "modules" (import ../tests/nix/cases.nix { inherit lib; }).good;
  options = written "options" (import ../tests/nix/options.nix { inherit lib; });
}
// manifests
// vm_tests
