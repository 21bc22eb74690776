# What of the host the manifest does not know: its engine's settings, its firewall, its backup.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.holdfast;
  pool = {
    base = mkOption {
      type = types.str;
      example = "10.20.0.0/16";
      description = "A network in CIDR form.";
    };
    size = mkOption {
      type = types.ints.between 1 32;
      example = 24;
      description = "Prefix length of each subnet that is cut from it.";
    };
  };
in
{
  options.services.holdfast = {
    docker = {
      openFirewall = mkOption {
        type = types.bool;
        default = false;
        description = "Whether to open the ports of the swarm on every interface: the port of `swarm.listen` and 7946 for TCP, 7946 and the port of overlay networks for UDP. A swarm of one node needs none of them.";
      };
      firewallInterfaces = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "wg0" ];
        description = "Interfaces on which these ports are open. Overlay traffic is not encrypted unless a network asks for it, so a private network is the place.";
      };
      addressPools = mkOption {
        type = types.listOf (types.submodule { options = pool; });
        default = [ ];
        description = "Networks that the engine cuts the subnets of its bridges from, where its own choice meets other networks of the host. Those of overlay networks are `swarm.address_pools`.";
      };
    };
    drift.textfile = mkOption {
      type = types.nullOr (types.strMatching "/[A-Za-z0-9_./-]+\\.prom");
      default = null;
      example = "/var/lib/prometheus-node-exporter/holdfast.prom";
      description = "Where the hourly look at drift and certificates leaves its metrics, for the textfile collector of node_exporter. The folder must be there.";
    };
    probe.calendar = mkOption {
      type = types.str;
      default = "daily";
      example = "Mon *-*-* 04:00";
      description = "When `holdfast-probe` asks for test deliveries of attested webhooks, looks after the sign-in of `forge.drone`, and builds for gates `runner`, where there are such: a calendar event of systemd.";
    };
    backup = {
      paths = mkOption {
        type = types.listOf types.str;
        readOnly = true;
        default = [ cfg.paths.state ] ++ lib.optional (cfg.bridge != null) "/var/lib/holdfast-bridge";
        defaultText = lib.literalMD "`paths.state`, and the folder of the bridge where there is one";
        description = "Folders to back up: what Holdfast knows that neither the checkout nor the engine does.";
      };
      units = mkOption {
        type = types.listOf (types.strMatching ".+\\.service");
        default = [ ];
        example = [ "restic-backups-web.service" ];
        description = "Units that back up. They wait for an apply that is under way, and collections and probes wait for them.";
      };
    };
  };
}
