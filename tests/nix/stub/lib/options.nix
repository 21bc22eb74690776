# Options, and the words that a definition can be wrapped in.
lib:
let
  wrapped =
    kind: content: more:
    {
      _type = kind;
      inherit content;
    }
    // more;
  mkOverride = priority: content: wrapped "override" content { inherit priority; };
in
{
  inherit mkOverride;
  mkIf = condition: content: wrapped "if" content { inherit condition; };
  mkMerge = contents: wrapped "merge" contents { };
  mkBefore = content: wrapped "order" content { priority = 500; };
  mkAfter = content: wrapped "order" content { priority = 1500; };
  mkForce = mkOverride 50;
  mkDefault = mkOverride 1000;
  mkOptionDefault = mkOverride 1500;

  mkOption = option: option // { _type = "option"; };
  isOption = value: value._type or null == "option";
  isType = kind: value: value._type or null == kind;
  mkEnableOption =
    what:
    lib.mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = "Whether to enable ${what}.";
    };
  mkPackageOption =
    pkgs: name:
    {
      default ? name,
      extraDescription ? "",
      ...
    }:
    lib.mkOption {
      type = lib.types.package;
      default = pkgs.${if builtins.isList default then builtins.head default else default};
      defaultText = lib.literalExpression "pkgs.${name}";
      description = "The ${name} package to use. ${extraDescription}";
    };
  literalExpression = text: {
    _type = "literalExpression";
    inherit text;
  };
  literalMD = text: {
    _type = "literalMD";
    inherit text;
  };
  showOption = lib.concatMapStringsSep "." (
    part:
    if
      builtins.match "[a-zA-Z_][a-zA-Z0-9_'-]*" part == null && builtins.match "\\*|<.*>" part == null
    then
      builtins.toJSON part
    else
      part
  );

  # An option of another name sets the one of today, and says so.
  mkRenamedOptionModule =
    from: to:
    { config, options, ... }:
    let
      old = lib.attrByPath from null config;
      is_set = (lib.attrByPath from null options).isDefined;
    in
    {
      options = lib.setAttrByPath from (
        lib.mkOption {
          description = "Alias of {option}`${lib.showOption to}`.";
          visible = false;
        }
      );
      config = lib.mkMerge [
        {
          warnings = lib.optional is_set "The option `${lib.showOption from}' has been renamed to `${lib.showOption to}'.";
        }
        (lib.setAttrByPath to (lib.mkIf is_set old))
      ];
    };
  mkRemovedOptionModule =
    path: advice:
    { options, ... }:
    {
      options = lib.setAttrByPath path (lib.mkOption { visible = false; });
      config.assertions = [
        {
          assertion = !(lib.attrByPath path null options).isDefined;
          message = "The option definition `${lib.showOption path}' no longer has any effect; please remove it.\n${advice}";
        }
      ];
    };
}
