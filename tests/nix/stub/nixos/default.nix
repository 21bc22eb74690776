# A system of the options that Holdfast's modules touch. Nothing of it was ever booted: it shows types and values.
{ lib, pkgs }:
{
  modules,
  specialArgs ? { },
}:
lib.evalModules {
  class = "nixos";
  specialArgs = {
    modulesPath = ./.;
  }
  // specialArgs;
  modules = [
    ./host.nix
    ./units.nix
    ./render.nix
    { _module.args.pkgs = pkgs; }
  ]
  ++ modules;
}
