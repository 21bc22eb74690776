# Pure: the values of `services.holdfast` → the manifest. Uses nothing but builtins, so plain `nix eval` tests it.
# What is null is left out, and so is what only the options know (other spellings, values that are computed).
let
  inherit (import ./schema.nix) plain schema;
  without_nulls =
    values:
    removeAttrs values (builtins.filter (name: values.${name} == null) (builtins.attrNames values));
  taken =
    one: value:
    let
      inherit (plain one) is;
      known = builtins.intersectAttrs is.properties value;
    in
    if is ? properties then
      builtins.mapAttrs (name: taken is.properties.${name}) (without_nulls known)
    else if is ? additionalProperties then
      builtins.mapAttrs (_: taken is.additionalProperties) (without_nulls value)
    else if is ? items then
      map (taken is.items) value
    else
      value;
in
cfg: { version = 1; } // taken schema cfg
