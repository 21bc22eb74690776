# The program that this flake builds, unless another one is set.
{ self }:
{ lib, pkgs, ... }:
{
  services.holdfast.package = lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.default;
}
