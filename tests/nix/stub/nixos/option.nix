# An option of this type and with this default, in the place of one of NixOS.
{ lib }:
type: default:
lib.mkOption {
  inherit type default;
  description = "Stands in for the option of NixOS.";
}
