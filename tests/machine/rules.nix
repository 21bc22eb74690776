# Two generations that differ in one unit for each rule of a switch; docs/reference/switch-rules.md has the rules. Each
# unit writes down which generation was there when it stopped, and that it was reloaded.
{ config, lib, ... }:
let
  inherit (config) after;
  shell = text: "/bin/sh -c '${text}'";
  running = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      ExecStart = "/bin/sleep infinity";
      ExecStop = shell "readlink /run/current-system >/run/rules/%n.stopped";
      ExecReload = shell "echo reloaded >/run/rules/%n.reloaded";
    };
  };
  changed = lib.optionalAttrs after { CPUWeight = "50"; };
  # One that differs, and `more` in both.
  differs = more: lib.recursiveUpdate running (lib.recursiveUpdate { serviceConfig = changed; } more);
  of_socket = more: differs (more // { wantedBy = [ ]; });
  socket = name: {
    wantedBy = [ "sockets.target" ];
    socketConfig.ListenStream = "/run/rules-${name}.sock";
  };
in
{
  options.after = lib.mkOption {
    type = lib.types.bool;
    description = "Whether this is the second of the two.";
  };

  config.systemd = {
    services = {
      r-same = running;
      r-changed = differs { };
      r-words = running // {
        description = if after then "other words" else "words";
      };
      r-restart-trigger = running // {
        restartTriggers = [ (if after then "b" else "a") ];
      };
      r-reload-trigger = running // {
        reloadTriggers = [ (if after then "b" else "a") ];
      };
      r-reload-if-changed = differs { reloadIfChanged = true; };
      r-exec-reload = lib.recursiveUpdate running {
        serviceConfig.ExecReload = shell "echo reloaded >/run/rules/%n.reloaded; : ${lib.boolToString after}";
      };
      r-exec-reload-gone = {
        inherit (running) wantedBy;
        serviceConfig = removeAttrs running.serviceConfig (lib.optional after "ExecReload");
      };
      r-no-restart = differs { restartIfChanged = false; };
      r-no-stop = differs { stopIfChanged = false; };
      r-refuses-stop = differs { unitConfig.RefuseManualStop = true; };
      r-manual = differs { unitConfig.X-OnlyManualStart = true; };
      r-idle = differs { wantedBy = [ ]; };
      r-removed = running // {
        enable = !after;
      };
      r-removed-stays = running // {
        enable = !after;
        unitConfig.X-StopOnRemoval = false;
      };
      r-new = running // {
        enable = after;
      };
      r-new-idle = running // {
        enable = after;
        wantedBy = [ ];
      };
      r-ended = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          Type = "oneshot";
          ExecStart = "/bin/true";
        };
      };
      r-stays = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          Type = "oneshot";
          ExecStart = "/bin/true";
          RemainAfterExit = true;
        };
      };
      r-socket = of_socket { };
      r-socket-comes = of_socket { };
      r-socket-no-stop = of_socket { stopIfChanged = false; };
      r-socket-not = of_socket { serviceConfig.X-NotSocketActivated = true; };
      r-asked = running;
      r-asked-reload = running;
      r-of-path = running // {
        wantedBy = [ ];
      };
      r-of-timer = running // {
        wantedBy = [ ];
      };
    };
    sockets = lib.genAttrs [ "r-socket" "r-socket-no-stop" "r-socket-not" ] socket // {
      r-socket-comes = socket "r-socket-comes" // {
        enable = after;
      };
    };
    paths.r-of-path = {
      wantedBy = [ "paths.target" ];
      pathConfig.PathExists = if after then "/run/rules/never-b" else "/run/rules/never-a";
    };
    timers.r-of-timer = {
      wantedBy = [ "timers.target" ];
      timerConfig.OnCalendar = if after then "2099-01-02" else "2099-01-01";
    };
    targets = {
      r-target.wantedBy = [ "multi-user.target" ];
      r-target-stops = {
        wantedBy = [ "multi-user.target" ];
        unitConfig.X-StopOnReconfiguration = true;
      };
      r-asked.wantedBy = [ "multi-user.target" ];
      # Active, as the others of its kind are anyway.
      graphical.wantedBy = [ "multi-user.target" ];
    };
  };

  # What an activation script may ask for.
  config.system.activationScripts.asks = {
    deps = [ "specialfs" ];
    text = lib.optionalString after ''
      for unit in r-asked.service r-asked.target {sysinit,basic,multi-user,graphical}.target; do
        echo $unit >>/run/nixos/activation-restart-list
      done
      echo r-asked-reload.service >>/run/nixos/activation-reload-list
    '';
  };
}
