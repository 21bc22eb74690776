# The module system: modules → options and their values.
lib:
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    isAttrs
    length
    map
    ;
  inherit (lib) isOption showOption;

  default_priority = 100;
  default_order = 1000;

  # What is left of definitions when their wrappers are taken off: those that are switched on, each with a priority.
  unwrapped = concatMap (
    one:
    let
      inherit (one) value;
      priority = one.priority or default_priority;
      kind = if isAttrs value then value._type or "" else "";
      again = content: unwrapped [ (one // { value = content; }) ];
    in
    if kind == "if" then
      lib.optionals value.condition (again value.content)
    else if kind == "merge" then
      concatMap again value.content
    else if kind == "override" then
      unwrapped [
        (
          one
          // {
            value = value.content;
            inherit (value) priority;
          }
        )
      ]
    else if kind == "order" then
      unwrapped [
        (
          one
          // {
            value = value.content;
            order = value.priority;
          }
        )
      ]
    else
      [ (one // { inherit priority; }) ]
  );

  # The value of an option or of one element of it.
  mergeDefinitions =
    loc: type: definitions:
    let
      on = unwrapped definitions;
      strongest = builtins.foldl' (
        least: one: if one.priority < least then one.priority else least
      ) 9999 on;
      order = one: one.order or default_order;
      counted = builtins.sort (one: other: order one < order other) (
        filter (one: one.priority == strongest) on
      );
      wrong = filter (one: !type.check one.value) counted;
      files = lib.concatMapStrings (one: "\n- In `${one.file}'") wrong;
    in
    if on == [ ] then
      type.empty
        or (throw "The option `${showOption loc}' was accessed but has no value defined. Try setting the option.")
    else if wrong != [ ] then
      throw "A definition for option `${showOption loc}' is not of type `${type.description}'. Definition values:${files}"
    else
      type.merge loc counted;

  # A wrapper around a set becomes one around each of its members, so that which members there are never depends on a
  # condition.
  pushed =
    definition:
    let
      inherit (definition) value;
      kind = value._type or "";
      around =
        f: content:
        concatMap (inner: [ (inner // { value = builtins.mapAttrs (_: f) inner.value; }) ]) (
          pushed (definition // { value = content; })
        );
    in
    if kind == "if" then
      around (lib.mkIf value.condition) value.content
    else if kind == "merge" then
      concatMap (content: pushed (definition // { value = content; })) value.content
    else if kind == "override" then
      around (lib.mkOverride value.priority) value.content
    else
      [ definition ];

  # One module as { file, options, config, freeform, imports, key }; what it imports is not looked at yet.
  load =
    arguments: parent: module:
    let
      by_path = builtins.isPath module || builtins.isString module;
      raw = if by_path then import module else module;
      file = if by_path then toString module else parent;
      value = if lib.isFunction raw then raw (named raw // arguments) else raw;
      named =
        f:
        builtins.mapAttrs (name: _: arguments.${name} or arguments.config._module.args.${name}) (
          lib.functionArgs f
        );
      here = value._file or file;
      extra = removeAttrs value [
        "_file"
        "_class"
        "key"
        "imports"
        "options"
        "config"
        "freeformType"
        "meta"
      ];
      full = value ? config || value ? options;
      own = {
        file = here;
        options = value.options or { };
        freeform = lib.optional (value ? freeformType) value.freeformType;
        imports = map (load arguments here) (value.imports or [ ]);
        config =
          if !full then
            extra
          else if extra == { } then
            value.config or { }
          else
            throw "Module `${here}' has an unsupported attribute `${builtins.head (attrNames extra)}'. This is caused by introducing a top-level `config' or `options' attribute.";
      };
      key = value.key or (if by_path then file else null);
    in
    own // { inherit key; };

  # Modules and what they import, nearest first.
  reached =
    modules: if modules == [ ] then [ ] else modules ++ reached (concatMap (one: one.imports) modules);

  # A file that is imported twice counts once.
  once = builtins.foldl' (
    seen: one:
    if one.key != null && builtins.any (other: other.key == one.key) seen then seen else seen ++ [ one ]
  ) [ ];

  # One tree of options from those of all modules.
  declared =
    loc: trees:
    lib.genAttrs (lib.unique (concatMap (tree: attrNames tree.value) trees)) (
      name:
      let
        path = loc ++ [ name ];
        here = concatMap (
          tree: lib.optional (tree.value ? ${name}) (tree // { value = tree.value.${name}; })
        ) trees;
        leaves = filter (tree: isOption tree.value) here;
        first = builtins.head here;
      in
      if leaves == [ ] then
        declared path here
      else if length here > 1 then
        throw "The option `${showOption path}' in `${(lib.last here).file}' is already declared in `${first.file}'."
      else
        first.value
        // {
          loc = path;
          declarations = [ first.file ];
        }
    );

  # The values of a tree of options, with the definitions of the sets around them.
  evaluated =
    loc: options: freeform: definitions:
    let
      sets = concatMap pushed definitions;
      of =
        name:
        concatMap (one: lib.optional (one.value ? ${name}) (one // { value = one.value.${name}; })) sets;
      names = lib.unique (concatMap (one: attrNames one.value) sets);
      unknown = filter (name: !(options ? ${name})) names;
      known = builtins.mapAttrs (
        name: option:
        let
          path = loc ++ [ name ];
        in
        if isOption option then leaf path option (of name) else evaluated path option [ ] (of name)
      ) options;
      strays = map (one: one // { value = removeAttrs one.value (attrNames options); }) sets;
    in
    if unknown == [ ] || freeform == [ ] then
      known
    else
      mergeDefinitions loc (builtins.head freeform) strays // known;

  # Every definition that no option is there for, in the whole tree.
  strays =
    loc: options: definitions:
    let
      sets = concatMap pushed definitions;
      names = lib.unique (concatMap (one: attrNames one.value) sets);
      of =
        name:
        concatMap (one: lib.optional (one.value ? ${name}) (one // { value = one.value.${name}; })) sets;
      below =
        name:
        if !(options ? ${name}) then
          [
            {
              path = loc ++ [ name ];
              of = of name;
            }
          ]
        else if isOption options.${name} then
          [ ]
        else
          strays (loc ++ [ name ]) options.${name} (of name);
    in
    concatMap below names;

  leaf =
    loc: option: definitions:
    let
      given = unwrapped definitions;
      default = lib.optional (option ? default) {
        file = builtins.head option.declarations;
        value = lib.mkOptionDefault option.default;
      };
      value = mergeDefinitions loc (option.type or lib.types.unspecified) (definitions ++ default);
    in
    if option.readOnly or false && length given > 1 then
      throw "The option `${showOption loc}' is read-only, but it's set multiple times."
    else
      (option.apply or lib.id) value;

  # The options again, each with what a module may ask of it.
  asked =
    loc: options: config: definitions:
    let
      sets = concatMap pushed definitions;
    in
    builtins.mapAttrs (
      name: option:
      let
        of = concatMap (
          one: lib.optional (one.value ? ${name}) (one // { value = one.value.${name}; })
        ) sets;
      in
      if isOption option then
        option
        // {
          value = config.${name};
          isDefined = unwrapped of != [ ];
        }
      else
        asked (loc ++ [ name ]) option config.${name} of
    ) options;

  # Every module has these.
  inner = {
    _file = "module system";
    options._module = {
      args = lib.mkOption {
        type = lib.types.lazyAttrsOf lib.types.raw;
        default = { };
        internal = true;
      };
      check = lib.mkOption {
        type = lib.types.bool;
        default = true;
        internal = true;
      };
    };
  };

  evalModules =
    {
      modules,
      specialArgs ? { },
      prefix ? [ ],
      class ? null,
    }:
    let
      arguments = specialArgs // {
        inherit lib config options;
      };
      # The last module comes first, as in nixpkgs.
      all = lib.reverseList (
        once (reached (map (load arguments "<unknown-file>") ([ inner ] ++ modules)))
      );
      freeform = concatMap (one: one.freeform) all;
      tree = declared prefix (
        map (one: {
          inherit (one) file;
          value = one.options;
        }) all
      );
      definitions = map (one: {
        inherit (one) file;
        value = one.config;
      }) all;
      config = evaluated prefix tree freeform definitions;
      unknown = if freeform == [ ] then strays prefix tree definitions else [ ];
      first = builtins.head unknown;
      files = lib.concatMapStrings (one: "\n- In `${one.file}'") first.of;
      options = asked prefix tree config definitions;
    in
    {
      inherit options;
      config =
        if unknown == [ ] then
          config
        else
          throw "The option `${showOption first.path}' does not exist. Definition values:${files}";
      _type = "configuration";
      inherit class;
      type = lib.types.submoduleWith { inherit modules specialArgs; };
    };
in
{
  inherit evalModules mergeDefinitions unwrapped;
  modules.importApply = file: argument: {
    _file = file;
    key = toString file;
    imports = [ (import file argument) ];
  };
}
