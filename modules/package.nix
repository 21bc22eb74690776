# The program that this flake builds, unless another one is set.
{ self }:
{ lib, pkgs, ... }:
{
  # Modules of this flake that are imported beside each other bring it once.
  key = "services.holdfast.package";
  services.holdfast.package = lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.default;
}
