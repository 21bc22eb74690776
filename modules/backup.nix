# Where a backup fits in. Holdfast backs nothing up itself: it says what is its own, and keeps its writers away while the
# units that are named here run.
{ config, lib, ... }:
let
  cfg = config.services.holdfast;
  service = lib.removeSuffix ".service";
in
{
  config = lib.mkIf (cfg.enable && cfg.backup.units != [ ]) {
    systemd.services =
      lib.genAttrs (map service cfg.backup.units) (_: {
        after = [ "holdfast-apply.service" ];
      })
      // {
        # A state that is half copied brings nobody back.
        holdfast-collect.after = cfg.backup.units;
      };
  };
}
