# The text of units, near enough to that of NixOS to be looked at by systemd and by people.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  named = {
    after = "After";
    before = "Before";
    wants = "Wants";
    requires = "Requires";
    requisite = "Requisite";
    bindsTo = "BindsTo";
    partOf = "PartOf";
    conflicts = "Conflicts";
    onFailure = "OnFailure";
    onSuccess = "OnSuccess";
  };
  filled = lib.filterAttrs (_: value: value != [ ] && value != "");
  unit =
    one:
    filled (
      lib.mapAttrs' (name: key: lib.nameValuePair key (lib.concatStringsSep " " one.${name})) named
      // {
        Description = one.description;
        Documentation = lib.concatStringsSep " " one.documentation;
        X-Restart-Triggers = lib.concatMapStringsSep " " toString one.restartTriggers;
        X-Reload-Triggers = lib.concatMapStringsSep " " toString one.reloadTriggers;
      }
    )
    // one.unitConfig;
  install =
    one:
    filled {
      WantedBy = lib.concatStringsSep " " one.wantedBy;
      RequiredBy = lib.concatStringsSep " " one.requiredBy;
    };
  variable = name: value: "\"${name}=${toString value}\"";
  service =
    name: one:
    let
      # Behind it, as NixOS has systemd and a few more behind it: what this system brings.
      path = lib.optionalAttrs (one.path != [ ]) {
        PATH = "${lib.makeBinPath one.path}:/usr/sbin:/usr/bin:/sbin:/bin";
      };
      environment = path // lib.filterAttrs (_: value: value != null) one.environment;
      # The stopping of a oneshot that is not there any more, and such, is the switch's own business.
      handled =
        lib.optionalAttrs (!one.restartIfChanged) { X-RestartIfChanged = false; }
        // lib.optionalAttrs one.reloadIfChanged { X-ReloadIfChanged = true; }
        // lib.optionalAttrs (!one.stopIfChanged) { X-StopIfChanged = false; };
    in
    one.serviceConfig
    // handled
    // lib.optionalAttrs (one.script != "") {
      ExecStart = "${pkgs.writeShellScript "${name}-start" "set -e\n${one.script}"} ";
    }
    // lib.optionalAttrs (environment != { }) {
      Environment = lib.mapAttrsToList variable environment;
    };
  text =
    sections:
    lib.generators.toINI { listsAsDuplicateKeys = true; } (
      lib.filterAttrs (_: section: section != { }) sections
    );
  rendered =
    kind: units: sections:
    lib.mapAttrs' (
      name: one:
      lib.nameValuePair "${name}.${kind}" (
        text (
          {
            Unit = unit one;
            Install = install one;
          }
          // sections name one
        )
      )
    ) (lib.filterAttrs (_: one: one.enable) units);
in
{
  options.rendered = lib.mkOption {
    type = lib.types.attrsOf lib.types.str;
    readOnly = true;
    description = "The texts of all units, by file name.";
  };

  config.rendered =
    rendered "service" config.systemd.services (name: one: { Service = service name one; })
    // rendered "socket" config.systemd.sockets (
      _: one: {
        Socket =
          one.socketConfig
          // lib.optionalAttrs (one.listenStreams != [ ]) { ListenStream = one.listenStreams; };
      }
    )
    // rendered "timer" config.systemd.timers (_: one: { Timer = one.timerConfig; })
    // rendered "path" config.systemd.paths (_: one: { Path = one.pathConfig; })
    // rendered "target" config.systemd.targets (_: _: { });
}
