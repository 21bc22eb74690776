# Stands in for `testers.runNixOSTest`: evaluates every node and reads the script. It boots nothing, and its name says so.
{ lib, pkgs }:
test:
let
  inherit (lib) mkOption types;
  option =
    type: default:
    mkOption {
      inherit type default;
      description = "Stands in for the option of a NixOS test.";
    };
  machine =
    defaults:
    types.submoduleWith {
      modules = [
        ./nixos/host.nix
        ./nixos/units.nix
        ./nixos/render.nix
        (
          { name, ... }:
          {
            options.virtualisation = {
              memorySize = option types.ints.positive 1024;
              cores = option types.ints.positive 1;
              diskSize = option types.ints.positive 1024;
              vlans = option (types.listOf types.ints.unsigned) [ 1 ];
              writableStore = option types.bool true;
            };
            config = {
              _module.args.pkgs = pkgs;
              networking.hostName = lib.mkDefault name;
            };
          }
        )
        defaults
      ];
    };
  evaluated = lib.evalModules {
    class = "nixosTest";
    modules = [
      (
        { config, ... }:
        {
          options = {
            name = mkOption { type = types.str; };
            meta = option types.attrs { };
            defaults = option types.deferredModule { };
            nodes = option (types.lazyAttrsOf (machine config.defaults)) { };
            globalTimeout = option types.int 3600;
            testScript = mkOption { type = types.either types.str (types.functionTo types.str); };
          };
          config._module.args = {
            inherit pkgs;
            hostPkgs = pkgs;
          };
        }
      )
      test
    ];
  };
  inherit (evaluated) config;
  script =
    if lib.isFunction config.testScript then
      config.testScript { inherit (config) nodes; }
    else
      config.testScript;
in
pkgs.runCommand "vm-test-evaluated-not-booted-${config.name}"
  {
    inherit script;
    passAsFile = [ "script" ];
    systems = lib.mapAttrsToList (_: node: node.system.build.toplevel) config.nodes;
  }
  ''
    python3 ${./lint.py} $scriptPath ${
      lib.concatMapStringsSep " " (lib.replaceStrings [ "-" ] [ "_" ]) (lib.attrNames config.nodes)
    }
    touch $out
  ''
