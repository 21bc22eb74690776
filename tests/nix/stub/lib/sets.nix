# Attribute sets, lists and functions.
lib:
let
  inherit (lib)
    attrNames
    concatMap
    elem
    filter
    flatten
    foldl'
    functionArgs
    head
    isAttrs
    listToAttrs
    nameValuePair
    recursiveUpdate
    tail
    ;
in
{
  inherit (builtins)
    all
    any
    attrNames
    attrValues
    concatLists
    concatMap
    elem
    filter
    foldl'
    functionArgs
    genList
    head
    isAttrs
    isBool
    isInt
    isList
    isString
    length
    listToAttrs
    mapAttrs
    pathExists
    readDir
    readFile
    removeAttrs
    sort
    tail
    toJSON
    ;

  nameValuePair = name: value: { inherit name value; };
  mapAttrs' = f: set: listToAttrs (map (name: f name set.${name}) (attrNames set));
  mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
  filterAttrs = keep: set: removeAttrs set (filter (name: !keep name set.${name}) (attrNames set));
  getAttrs = names: set: listToAttrs (map (name: nameValuePair name set.${name}) names);
  genAttrs = names: f: listToAttrs (map (name: nameValuePair name (f name)) names);
  optionalAttrs = when: set: if when then set else { };
  recursiveUpdate =
    one: other:
    one
    // builtins.mapAttrs (
      name: value:
      if isAttrs value && isAttrs (one.${name} or null) then recursiveUpdate one.${name} value else value
    ) other;
  isDerivation = value: value.type or null == "derivation";

  singleton = value: [ value ];
  optional = when: value: if when then [ value ] else [ ];
  optionals = when: list: if when then list else [ ];
  unique = foldl' (seen: one: if elem one seen then seen else seen ++ [ one ]) [ ];
  flatten = list: if builtins.isList list then concatMap flatten list else [ list ];
  reverseList = foldl' (done: one: [ one ] ++ done) [ ];
  last = list: builtins.elemAt list (builtins.length list - 1);
  naturalSort = builtins.sort builtins.lessThan;
  partition = builtins.partition;

  id = value: value;
  const = value: _: value;
  flip =
    f: one: other:
    f other one;
  isFunction = f: builtins.isFunction f || (isAttrs f && f ? __functor);
  importTOML = path: builtins.fromTOML (builtins.readFile path);
  importJSON = path: builtins.fromJSON (builtins.readFile path);
  warn = text: builtins.trace "warning: ${text}";
  attrByPath =
    path: default: set:
    if path == [ ] then
      set
    else if isAttrs set && set ? ${head path} then
      lib.attrByPath (tail path) default set.${head path}
    else
      default;
  setAttrByPath =
    path: value: if path == [ ] then value else { ${head path} = lib.setAttrByPath (tail path) value; };

  systems.elaborate = system: {
    inherit system;
    isLinux = lib.hasSuffix "-linux" system;
  };
  platforms.linux = [
    "x86_64-linux"
    "aarch64-linux"
  ];
  licenses.asl20.spdxId = "Apache-2.0";
  # Which files a source is made of matters only where something is built of it.
  fileset = {
    toSource = { root, ... }: root;
    unions = lib.id;
  };
}
