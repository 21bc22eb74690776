# Pure: the values of `services.holdfast` → the manifest. Uses nothing but builtins, so plain `nix eval` tests it.
cfg:
let
  sections = removeAttrs cfg [
    "enable"
    "package"
    "manifest"
  ];
  set = builtins.filter (name: sections.${name} != null) (builtins.attrNames sections);
in
{
  version = 1;
}
// builtins.listToAttrs (
  map (name: {
    inherit name;
    value = sections.${name};
  }) set
)
