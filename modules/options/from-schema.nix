# JSON Schema → options. Every field of the manifest is an option of the same name, with its type, default and words.
{ lib }:
let
  inherit (lib) types;
  inherit (import ../schema.nix) definition plain schema;

  # Paths of the checkout become paths in the store; the manifest holds text either way.
  text = types.either types.str types.path;
  # Private keys, which everybody could read there.
  outside =
    types.addCheck types.str (path: lib.hasPrefix "/" path && !lib.hasPrefix builtins.storeDir path)
    // {
      description = "absolute path outside of the Nix store, which everybody can read";
    };
  private = [
    "age_key_files"
    "ssh_key_files"
  ];

  integer =
    is:
    if is ? maximum then
      types.ints.between (is.minimum or 0) is.maximum
    else if is ? minimum then
      types.ints.unsigned
    else
      types.int;
  of =
    is:
    if is ? oneOf then
      types.enum (map (one: one.const) is.oneOf)
    # A map that may have no field at all says something by being there.
    else if is ? properties || (is.additionalProperties or null) == false then
      types.submodule { options = options is; }
    else
      {
        array = types.listOf (type is.items);
        boolean = types.bool;
        integer = integer is;
        object = types.attrsOf (type is.additionalProperties);
        string = text;
      }
      .${is.type};
  type =
    one:
    let
      found = plain one;
    in
    if found.nullable then types.nullOr (of found.is) else of found.is;

  option =
    required: name: one:
    let
      free = !(required name) && !(one ? default);
      whole = type one;
      asked = if lib.elem name private then types.listOf outside else whole;
    in
    lib.mkOption (
      {
        type = if free && !(plain one).nullable then types.nullOr asked else asked;
        description = one.description or "As in the manifest.";
      }
      // lib.optionalAttrs (one ? default) { inherit (one) default; }
      // lib.optionalAttrs free { default = null; }
    );
  options =
    is: lib.mapAttrs (option (name: lib.elem name (is.required or [ ]))) (is.properties or { });
in
{
  # Every section of the manifest; `version` is no choice.
  sections = removeAttrs (options schema) [ "version" ];
  # The options of one entry of a section: `entry "Secret"`.
  entry = name: options (definition name);
}
