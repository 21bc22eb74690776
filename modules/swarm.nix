# The engine that the swarm runs on, with the settings that Swarm needs, and what applies the manifest to it.
{ config, lib, ... }:
let
  cfg = config.services.holdfast;
  engine = config.virtualisation.docker;
  # "192.0.2.10:2377", "[2001:db8::1]:2377", "eth0:2377"; without one, as "eth0" or "2001:db8::1", it is the engine's own.
  port_of =
    address:
    let
      port = builtins.match "(\\[.*]|[^:]*):([0-9]+)" address;
    in
    if port == null then 2377 else lib.toInt (lib.last port);
  swarm = if cfg.swarm == null then { } else cfg.swarm;
  default = value: other: if value == null then other else value;
  ports = {
    allowedTCPPorts = [
      (port_of (default (swarm.listen or null) "0.0.0.0:2377")) # managers
      7946 # nodes find each other
    ];
    allowedUDPPorts = [
      7946
      (default (swarm.data_path_port or null) 4789) # overlay networks
    ];
  };
in
{
  imports = [
    ./apply.nix
    ./backup.nix
    ./collect.nix
    ./probe.nix
    ./stacks.nix
  ];

  config = lib.mkIf cfg.enable {
    virtualisation.docker = {
      enable = lib.mkDefault true;
      # The engine refuses to be in a swarm with it.
      liveRestore = lib.mkDefault false;
      daemon.settings = lib.mkIf (cfg.docker.addressPools != [ ]) {
        default-address-pools = cfg.docker.addressPools;
      };
    };

    networking.firewall = lib.mkMerge [
      (lib.mkIf cfg.docker.openFirewall ports)
      { interfaces = lib.genAttrs cfg.docker.firewallInterfaces (_: ports); }
    ];

    assertions = [
      {
        assertion = engine.enable;
        message = "services.holdfast applies to the Docker engine of this host, which is off. Set `virtualisation.docker.enable = true;`, or `services.holdfast.enable = false;`.";
      }
      {
        assertion = !engine.liveRestore && !(engine.daemon.settings.live-restore or false);
        message = "A Docker engine with live-restore refuses to be in a swarm. Set `virtualisation.docker.liveRestore = false;` and leave `live-restore` out of `virtualisation.docker.daemon.settings`.";
      }
      {
        assertion = !(cfg.docker.openFirewall && cfg.docker.firewallInterfaces != [ ]);
        message = "services.holdfast.docker.openFirewall opens the ports of the swarm on every interface, so that firewallInterfaces says nothing. Set `services.holdfast.docker.openFirewall = false;`.";
      }
    ];
  };
}
