# Every option; no configuration, so that the documentation can evaluate this file alone.
{ lib, ... }:
let
  from_schema = import ./from-schema.nix { inherit lib; };
in
{
  imports = [
    ./drone.nix
    ./host.nix
    ./secrets.nix
    ./stacks.nix
  ];

  options.services.holdfast = {
    enable = lib.mkEnableOption "Holdfast, which makes this Docker Swarm host equal to its manifest and proves it";

    package = lib.mkOption {
      type = lib.types.package;
      description = "The package with the `holdfast` program.";
    };

    manifest = lib.mkOption {
      type = lib.types.package;
      readOnly = true;
      description = ''
        The compiled manifest: what `holdfast compile` makes of the options below, in the build. Its attribute `source` is what
        it is compiled from, for `holdfast image lock` and `holdfast secrets generate`.
      '';
    };
  }
  # Said with more than the schema knows in files of their own.
  // removeAttrs from_schema.sections [
    "secrets"
    "stacks"
    "templates"
  ];
}
