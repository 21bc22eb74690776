# Stacks: the fields of the manifest, and a compose file in the words of Nix.
{ lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  from_schema = import ./from-schema.nix { inherit lib; };
in
{
  options.services.holdfast.stacks = mkOption {
    default = { };
    description = "Stacks, by name.";
    type = types.attrsOf (
      types.submodule (
        { config, name, ... }:
        {
          options = from_schema.entry "Stack" // {
            settings = mkOption {
              type = types.nullOr (types.attrsOf types.anything);
              default = null;
              description = "A compose file in the words of Nix; it is merged over those of `compose`. Files that it names are paths of the checkout.";
            };
          };
          config.compose = lib.mkIf (config.settings != null) (
            lib.mkAfter [ "${(pkgs.formats.json { }).generate "${name}.compose.json" config.settings}" ]
          );
        }
      )
    );
  };
}
