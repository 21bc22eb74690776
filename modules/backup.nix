# Where a backup fits in. Holdfast backs nothing up itself: it says what is its own, and the writers that timers start wait
# for the units that are named here, since a state that is half copied brings nobody back.
{ config, lib, ... }:
let
  cfg = config.services.holdfast;
  service = lib.removeSuffix ".service";
in
{
  config = lib.mkIf (cfg.enable && cfg.backup.units != [ ]) {
    systemd.services = lib.genAttrs (map service cfg.backup.units) (_: {
      after = [ "holdfast-apply.service" ];
    });
  };
}
