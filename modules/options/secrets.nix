# Secrets and templates: the fields of the manifest, the names that sops-nix has for the same things, and where a file is.
{ config, lib, ... }:
let
  cfg = config.services.holdfast;
  inherit (lib) mkOption types;
  from_schema = import ./from-schema.nix { inherit lib; };

  # The same thing under the name that sops-nix has for it.
  alias =
    type: name:
    mkOption {
      type = types.nullOr type;
      default = null;
      description = "The name of sops-nix for `${name}`.";
    };
  unit_names = types.listOf types.str;
  aliases = {
    restartUnits = alias unit_names "restart_units";
    reloadUnits = alias unit_names "reload_units";
    neededForUsers = alias types.bool "needed_for_users";
    uid = alias types.ints.unsigned "owner";
    gid = alias types.ints.unsigned "group";
  };
  set = name: value: { ${name} = lib.mkIf (value != null) value; };
  number = value: if value == null then null else toString value;
  aliased =
    one:
    lib.mkMerge [
      (set "restart_units" one.restartUnits)
      (set "reload_units" one.reloadUnits)
      (set "needed_for_users" one.neededForUsers)
      (set "owner" (number one.uid))
      (set "group" (number one.gid))
    ];
  # Units of modules that load it, and are to be told of a new value.
  handed =
    name:
    let
      units = cfg.handed_to.${name} or [ ];
    in
    lib.mkIf (units != [ ]) {
      credentials = units;
      restart_units = units;
    };
  # A folder of its own, since services must not meet what is meant for users alone.
  folder = one: if one.needed_for_users == true then "secrets-for-users" else "secrets";
  place =
    below: one:
    mkOption {
      type = types.str;
      readOnly = true;
      default = "${cfg.paths.run}/${folder one}/${below}";
      defaultText = lib.literalMD "below `paths.run`";
      description = "Where the file is once it is installed.";
    };
  entry =
    what: more:
    types.attrsOf (
      types.submodule (
        { config, name, ... }:
        {
          options = from_schema.entry what // aliases // (more config name).options;
          config = lib.mkMerge [
            (aliased config)
            (handed name)
            (more config name).config
          ];
        }
      )
    );
in
{
  options.services.holdfast = {
    secrets = mkOption {
      default = { };
      description = "Secrets in sops files, by name.";
      type = entry "Secret" (
        one: name: {
          options = {
            sopsFile = alias types.path "file";
            file_path = place name one;
          };
          config.file = lib.mkMerge [
            (lib.mkIf (cfg.defaultSopsFile != null) (lib.mkOptionDefault cfg.defaultSopsFile))
            (lib.mkIf (one.sopsFile != null) one.sopsFile)
          ];
        }
      );
    };
    templates = mkOption {
      default = { };
      description = "Files rendered from secrets, by name.";
      type = entry "Template" (
        one: name: {
          options.file_path = place "rendered/${name}" one;
          config = { };
        }
      );
    };
    handed_to = mkOption {
      internal = true;
      type = types.attrsOf (types.listOf types.str);
      default = { };
      description = "Secrets and templates that modules hand to units: their names, and those of the units.";
    };
    defaultSopsFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      description = "The sops file of secrets that name none.";
    };
  };
}
