# The published schema of the manifest: what options are made of, and what of their values a manifest takes. One truth,
# which the program itself writes (`holdfast schema`) and a test compares.
let
  schema = builtins.fromJSON (builtins.readFile ../docs/reference/manifest.schema.json);
  name = reference: builtins.substring 8 (-1) reference; # after "#/$defs/"
  is_null = one: (one.type or "") == "null";
in
rec {
  inherit schema;

  # The definition of this name.
  definition = name: schema."$defs".${name};

  # A schema without references and without "or null": { nullable, is }.
  plain =
    one:
    if one ? "$ref" then
      plain (definition (name one."$ref"))
    else if one ? anyOf then
      {
        nullable = builtins.any is_null one.anyOf;
        inherit (plain (builtins.head (builtins.filter (choice: !is_null choice) one.anyOf))) is;
      }
    else if builtins.isList (one.type or null) then
      {
        nullable = builtins.elem "null" one.type;
        is = one // {
          type = builtins.head (builtins.filter (type: type != "null") one.type);
        };
      }
    else
      {
        nullable = false;
        is = one;
      };
}
