# The outputs of the stand-in on a library: the one beside this file, or the real one.
{ base }:
let
  packages = system: import ./packages.nix { inherit lib; } system;
  lib = base.extend (
    _: _: {
      nixosSystem =
        {
          modules,
          specialArgs ? { },
          ...
        }:
        import ./nixos {
          inherit lib;
          pkgs = packages "x86_64-linux";
        } { inherit modules specialArgs; };
    }
  );
in
{
  inherit lib;
  legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (
    system:
    let
      pkgs = packages system;
    in
    pkgs // { testers.runNixOSTest = import ./vm-test.nix { inherit lib pkgs; }; }
  );
}
