# Without the module stacks go on running, on purpose: what runs was asked for, and nobody asked to remove it. Who
# switches it off is told how to.
{ config, lib, ... }:
let
  cfg = config.services.holdfast;
in
{
  config = lib.mkIf (!cfg.enable) {
    system.activationScripts.holdfast_off = ''
      generations=${lib.escapeShellArg "${cfg.paths.state}/generations"}
      last=$(ls -A "$generations" 2>/dev/null | sort -n | tail -n 1 || true)
      if [ -n "$last" ]; then
        # The system before this one still has it.
        holdfast=$(readlink -e /run/current-system/sw/bin/holdfast || echo holdfast)
        echo "services.holdfast is off: its stacks go on running, and its secrets stay until the next boot"
        echo "hint: to remove them: $holdfast destroy $generations/$last"
      fi
    '';
  };
}
