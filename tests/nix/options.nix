# Every option of the modules, with what the reference page says of it.
{
  lib ? import ./stub/lib,
}:
let
  evaluated = lib.evalModules {
    modules = [
      ../../modules/options
      { _module.args.pkgs = throw "options need no packages"; }
    ];
  };
  words = one: if one._type == "literalMD" then one.text else "`${one.text}`";
  list =
    options:
    lib.concatMap (
      name:
      let
        option = options.${name};
      in
      if !lib.isOption option then
        list option
      else if option.internal or false then
        [ ]
      else
        [
          (
            {
              name = lib.showOption option.loc;
              type = option.type.description;
              read_only = option.readOnly or false;
              description = option.description or (throw "`${lib.showOption option.loc}` says nothing of itself");
            }
            // lib.optionalAttrs (option ? default) (
              if option ? defaultText then
                { default_text = words option.defaultText; }
              else
                { inherit (option) default; }
            )
          )
        ]
        ++ list (option.type.getSubOptions option.loc)
    ) (lib.attrNames options);
in
list evaluated.options.services
