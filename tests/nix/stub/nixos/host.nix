# Options of a host beside its units.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) types;
  option = import ./option.nix { inherit lib; };
  inherit (types)
    attrsOf
    bool
    int
    listOf
    nullOr
    port
    str
    ;
  set = options: option (attrsOf (types.submodule { inherit options; })) { };
  failed = lib.filter (one: !one.assertion) config.assertions;
  checked =
    result:
    if failed == [ ] then
      lib.foldl' (done: text: lib.warn text done) result config.warnings
    else
      throw "Failed assertions:\n${lib.concatMapStringsSep "\n" (one: "- ${one.message}") failed}";
in
{
  options = {
    nix = {
      enable = option bool true;
      package = option types.package pkgs.nix;
    };
    assertions = option (listOf types.unspecified) [ ];
    warnings = option (listOf str) [ ];
    meta = option types.attrs { };

    networking = {
      hostName = option str "nixos";
      firewall = {
        enable = option bool true;
        allowedTCPPorts = option (listOf port) [ ];
        allowedUDPPorts = option (listOf port) [ ];
        interfaces = set {
          allowedTCPPorts = option (listOf port) [ ];
          allowedUDPPorts = option (listOf port) [ ];
        };
      };
    };
    boot.isContainer = option bool false;
    nixpkgs = {
      hostPlatform = option types.unspecified "x86_64-linux";
      config = option types.attrs { };
    };
    # Evaluated as a system only where nixpkgs is real.
    specialisation = set { configuration = option types.deferredModule { }; };
    environment = {
      systemPackages = option (listOf types.package) [ ];
      sessionVariables = option types.attrs { };
      etc = set {
        enable = option bool true;
        text = option (nullOr types.lines) null;
        source = option (nullOr types.path) null;
        mode = option str "symlink";
        user = option str "root";
        group = option str "root";
      };
    };
    users = {
      users = set {
        isSystemUser = option bool false;
        isNormalUser = option bool false;
        createHome = option bool false;
        group = option str "";
        extraGroups = option (listOf str) [ ];
        home = option str "/var/empty";
        uid = option (nullOr int) null;
        hashedPasswordFile = option (nullOr str) null;
        description = option str "";
      };
      groups = set {
        gid = option (nullOr int) null;
        members = option (listOf str) [ ];
      };
    };
    services.userborn.enable = option bool false;
    services.openssh.enable = option bool false;
    virtualisation.docker = {
      enable = option bool false;
      package = option types.package pkgs.docker;
      liveRestore = option bool true;
      daemon.settings = option (pkgs.formats.json { }).type { };
    };
    system = {
      stateVersion = option str "25.11";
      activationScripts = option (attrsOf (
        types.either str (
          types.submodule {
            options = {
              deps = option (listOf str) [ ];
              text = option types.lines "";
              supportsDryActivation = option bool false;
            };
          }
        )
      )) { };
      build = option (types.lazyAttrsOf types.unspecified) { };
    };
  };

  config.system.build.toplevel = checked (
    pkgs.linkFarm "system" (
      lib.mapAttrsToList (name: text: {
        inherit name;
        path = pkgs.writeText name text;
      }) config.rendered
    )
  );
}
