# Strings.
lib:
let
  inherit (lib)
    boolToString
    concatMapStrings
    concatMapStringsSep
    concatStringsSep
    escapeRegex
    escapeShellArg
    getExe'
    hasPrefix
    hasSuffix
    replaceStrings
    stringLength
    ;
  inherit (builtins) substring;
  special = [
    "\\"
    "["
    "]"
    "{"
    "}"
    "("
    ")"
    "."
    "*"
    "+"
    "?"
    "^"
    "$"
    "|"
  ];
in
{
  inherit (builtins) concatStringsSep replaceStrings stringLength;

  optionalString = when: text: if when then text else "";
  concatMapStrings = f: list: concatStringsSep "" (map f list);
  concatMapStringsSep =
    separator: f: list:
    concatStringsSep separator (map f list);
  concatLines = concatMapStrings (line: line + "\n");
  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  hasSuffix =
    suffix: text:
    let
      more = stringLength text - stringLength suffix;
    in
    more >= 0 && substring more (-1) text == suffix;
  hasInfix =
    part: text: builtins.match ".*${escapeRegex part}.*" (replaceStrings [ "\n" ] [ " " ] text) != null;
  removePrefix =
    prefix: text: if hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
  removeSuffix =
    suffix: text:
    if hasSuffix suffix text then substring 0 (stringLength text - stringLength suffix) text else text;
  getName = package: package.pname;
  getVersion = package: package.version;
  # Numbers without a leading zero are those of JSON.
  toInt = builtins.fromJSON;
  splitString =
    separator: text: builtins.filter builtins.isString (builtins.split (escapeRegex separator) text);
  escapeRegex = text: replaceStrings special (map (one: "\\" + one) special) text;
  # A word that means itself is left as it is.
  escapeShellArg =
    value:
    let
      text = toString value;
    in
    if builtins.match "[A-Za-z0-9/._-]+" text == null then
      "'${replaceStrings [ "'" ] [ "'\\''" ] text}'"
    else
      text;
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;
  makeBinPath = concatMapStringsSep ":" (package: "${package}/bin");
  boolToString = value: if value then "true" else "false";
  versionAtLeast = one: other: builtins.compareVersions one other >= 0;
  getExe = package: getExe' package (package.meta.mainProgram or package.pname);
  getExe' = package: name: "${package}/bin/${name}";

  generators.toINI =
    {
      listsAsDuplicateKeys ? false,
    }:
    sections:
    let
      scalar = value: if builtins.isBool value then boolToString value else toString value;
      line =
        key: value:
        if listsAsDuplicateKeys && builtins.isList value then
          concatMapStrings (line key) value
        else
          "${key}=${scalar value}\n";
      section = name: "[${name}]\n" + concatStringsSep "" (lib.mapAttrsToList line sections.${name});
    in
    concatMapStringsSep "\n" section (builtins.attrNames sections);
}
