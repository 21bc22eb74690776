# Options of units.
{ lib, pkgs, ... }:
let
  inherit (lib) types;
  option = import ./option.nix { inherit lib; };
  inherit (types)
    attrsOf
    bool
    listOf
    str
    ;
  scalar = types.oneOf [
    bool
    types.int
    str
    types.path
  ];
  section = option (attrsOf (types.either scalar (listOf scalar))) { };
  names = option (listOf (
    types.strMatching "[a-zA-Z0-9@%:_.\\-]+\\.(service|socket|target|timer|path|mount|slice|device|swap|automount|scope)"
  )) [ ];
  lines = option types.lines "";

  every = {
    after = names;
    before = names;
    wants = names;
    requires = names;
    requisite = names;
    bindsTo = names;
    partOf = names;
    conflicts = names;
    onFailure = names;
    onSuccess = names;
    wantedBy = names;
    requiredBy = names;
    enable = option bool true;
    description = option types.singleLineStr "";
    documentation = option (listOf str) [ ];
    restartTriggers = option (listOf types.unspecified) [ ];
    reloadTriggers = option (listOf types.unspecified) [ ];
    unitConfig = section;
  };
  units = more: option (attrsOf (types.submodule { options = every // more; })) { };
in
{
  options.systemd = {
    package = option types.package pkgs.systemd;
    services = units {
      serviceConfig = section;
      environment = option (attrsOf (types.nullOr (types.either scalar types.package))) { };
      path = option (listOf (types.either types.package str)) [ ];
      script = lines;
      preStart = lines;
      restartIfChanged = option bool true;
      reloadIfChanged = option bool false;
      stopIfChanged = option bool true;
      startAt = option (types.either str (listOf str)) [ ];
    };
    sockets = units {
      socketConfig = section;
      listenStreams = option (listOf str) [ ];
    };
    timers = units { timerConfig = section; };
    paths = units { pathConfig = section; };
    targets = units { };
    tmpfiles = {
      rules = option (listOf str) [ ];
      settings = option (attrsOf (attrsOf (attrsOf (attrsOf str)))) { };
    };
    sysusers.enable = option bool false;
  };
}
