# Types: what a value may be, and how several definitions become one.
#
# A type is { description, check, merge }, with `empty` where no definition at all is a value. `merge` takes the place of
# the option and the definitions, each a { file, value } that the check has passed.
lib:
let
  inherit (builtins)
    all
    elem
    filter
    head
    isAttrs
    isBool
    isFloat
    isInt
    isList
    isString
    map
    ;
  inherit (lib) mergeDefinitions showOption;
  inherit (lib.types)
    anything
    either
    float
    port
    separatedString
    str
    submoduleWith
    ;

  values = map (definition: definition.value);
  told =
    definitions: lib.concatMapStrings (one: "\n- In `${one.file}': ${shown one.value}") definitions;
  shown =
    value:
    if isString value || isInt value || isBool value || value == null then
      builtins.toJSON value
    else
      "<${builtins.typeOf value}>";

  # One value, or several that are the same.
  same =
    loc: definitions:
    let
      first = (head definitions).value;
    in
    if all (value: value == first) (values definitions) then
      first
    else
      throw "The option `${showOption loc}' has conflicting definition values:${told definitions}";
  single =
    loc: definitions:
    if builtins.length definitions == 1 then
      (head definitions).value
    else
      throw "The option `${showOption loc}' is defined multiple times while it's expected to be unique.${told definitions}";

  type =
    description: check: more:
    {
      _type = "option-type";
      class = "noun";
      inherit description check;
      merge = same;
      getSubOptions = _: { };
    }
    // more;
  narrowed =
    base: description: check:
    base
    // {
      inherit description;
      check = value: base.check value && check value;
    };

  # In words of others a description of one of these classes stands as it is.
  within = classes: one: if elem one.class classes then one.description else "(${one.description})";
  of_each = within [
    "noun"
    "composite"
  ];
  as_choice = within [
    "noun"
    "conjunction"
  ];

  clause = base: base // { class = "clause"; };

  is_path =
    value:
    builtins.isPath value || (isString value && lib.hasPrefix "/" value) || lib.isDerivation value;
  is_store = value: lib.hasPrefix builtins.storeDir (toString value);
  text_like = value: isString value || value ? outPath;

  # The types of single parts of a set, joined by name; `lazy` keeps names whose every definition is switched off.
  sets =
    lazy: element:
    type "attribute set of ${of_each element}" isAttrs {
      class = "composite";
      empty = { };
      getSubOptions = loc: element.getSubOptions (loc ++ [ "<name>" ]);
      merge =
        loc: definitions:
        let
          names = lib.unique (lib.concatMap (one: builtins.attrNames one.value) definitions);
          of =
            name:
            lib.concatMap (
              one: lib.optional (one.value ? ${name}) (one // { value = one.value.${name}; })
            ) definitions;
          there = name: lazy || lib.unwrapped (of name) != [ ];
        in
        lib.genAttrs (filter there names) (name: mergeDefinitions (loc ++ [ name ]) element (of name));
    };

  int = type "signed integer" isInt { };
  between =
    low: high: what:
    narrowed int "${what} between ${toString low} and ${toString high} (both inclusive)" (
      value: value >= low && value <= high
    );
in
{
  types = {
    inherit int;
    addCheck = base: check: narrowed base base.description check;
    raw = type "raw value" (_: true) { merge = single; };
    unspecified = type "unspecified value" (_: true) { merge = anything.merge; };
    anything = type "anything" (_: true) {
      merge =
        loc: definitions:
        let
          every = values definitions;
        in
        if all (value: isAttrs value && !lib.isDerivation value) every then
          (sets false anything).merge loc definitions
        else if all isList every && builtins.length every > 1 then
          same loc definitions
        else if all lib.isFunction every then
          value: anything.merge loc (map (one: one // { value = one.value value; }) definitions)
        else
          same loc definitions;
    };
    bool = type "boolean" isBool { };
    str = type "string" isString { };
    float = type "floating point number" isFloat { };
    number = either int float;
    singleLineStr = narrowed str "(optionally newline-terminated) single-line string" (
      value: !lib.hasInfix "\n" (lib.removeSuffix "\n" value)
    );
    strMatching =
      pattern:
      narrowed str "string matching the pattern ${pattern}" (value: builtins.match pattern value != null);
    separatedString =
      separator:
      type "strings concatenated with ${builtins.toJSON separator}" isString {
        merge = _: definitions: lib.concatStringsSep separator (values definitions);
      };
    lines = separatedString "\n";
    path = type "absolute path" is_path { };
    externalPath = type "absolute path not in the Nix store" (
      value: is_path value && !is_store value
    ) { };
    package = type "package" (value: lib.isDerivation value || (text_like value && is_store value)) { };
    attrs = type "attribute set" isAttrs {
      empty = { };
      merge = _: definitions: builtins.foldl' (one: other: one // other) { } (values definitions);
    };
    port = between 0 65535 "16 bit unsigned integer;";
    ints = {
      between = low: high: between low high "integer";
      unsigned = clause (narrowed int "unsigned integer, meaning >=0" (value: value >= 0));
      positive = clause (narrowed int "positive integer, meaning >0" (value: value > 0));
      u16 = port;
    };
    enum =
      allowed:
      type "one of ${lib.concatMapStringsSep ", " shown allowed}" (value: elem value allowed) {
        class = "conjunction";
      };

    listOf =
      element:
      type "list of ${of_each element}" isList {
        class = "composite";
        empty = [ ];
        getSubOptions = loc: element.getSubOptions (loc ++ [ "*" ]);
        merge =
          loc: definitions:
          let
            part = one: number: mergeDefinitions (loc ++ [ "[definition ${toString number}]" ]) element [ one ];
            parts =
              one:
              lib.concatMap (
                value:
                lib.optional (lib.unwrapped [ (one // { inherit value; }) ] != [ ]) (one // { inherit value; })
              ) one.value;
            every = lib.concatMap parts definitions;
          in
          builtins.genList (at: part (builtins.elemAt every at) (at + 1)) (builtins.length every);
      };
    attrsOf = sets false;
    lazyAttrsOf = sets true;

    nullOr =
      element:
      type "null or ${as_choice element}" (value: value == null || element.check value) {
        class = "conjunction";
        inherit (element) getSubOptions;
        merge =
          loc: definitions:
          if all (value: value == null) (values definitions) then
            null
          else if elem null (values definitions) then
            throw "The option `${showOption loc}' is defined both null and not null:${told definitions}"
          else
            element.merge loc definitions;
      };
    either =
      one: other:
      type "${as_choice one} or ${as_choice other}" (value: one.check value || other.check value) {
        class = "conjunction";
        merge =
          loc: definitions:
          let
            of = choice: all choice.check (values definitions);
          in
          if of one then
            one.merge loc definitions
          else if of other then
            other.merge loc definitions
          else
            same loc definitions;
      };
    oneOf = choices: builtins.foldl' either (head choices) (builtins.tail choices);
    functionTo =
      result:
      type "function that evaluates to a(n) ${result.description}" lib.isFunction {
        merge =
          loc: definitions: argument:
          mergeDefinitions (loc ++ [ "<function body>" ]) result (
            map (one: one // { value = one.value argument; }) definitions
          );
      };

    submodule = modules: submoduleWith { modules = lib.flatten [ modules ]; };
    submoduleWith =
      {
        modules,
        specialArgs ? { },
        shorthandOnlyDefinesConfig ? true,
        ...
      }:
      type "submodule" (value: isAttrs value || lib.isFunction value || builtins.isPath value) {
        class = "set";
        empty = { };
        getSubOptions =
          loc:
          removeAttrs
            (lib.evalModules {
              inherit specialArgs;
              prefix = loc;
              modules = modules ++ [ { _module.args.name = lib.mkOptionDefault "‹name›"; } ];
            }).options
            [ "_module" ];
        merge =
          loc: definitions:
          let
            as_module =
              one:
              if isAttrs one.value && shorthandOnlyDefinesConfig then
                {
                  _file = one.file;
                  config = one.value;
                }
              else
                {
                  _file = one.file;
                  imports = [ one.value ];
                };
            evaluated = lib.evalModules {
              inherit specialArgs;
              prefix = loc;
              modules =
                modules
                ++ [ { _module.args.name = lib.mkOptionDefault (lib.last loc); } ]
                ++ map as_module definitions;
            };
          in
          removeAttrs evaluated.config [ "_module" ];
      };
    deferredModule =
      type "module" (value: isAttrs value || lib.isFunction value || builtins.isPath value)
        {
          empty = { };
          merge = _: definitions: {
            imports = map (one: {
              _file = one.file;
              imports = [ one.value ];
            }) definitions;
          };
        };
  };
}
