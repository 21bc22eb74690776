# The engine that the swarm runs on, with the settings that Swarm needs.
{ config, lib, ... }:
let
  cfg = config.services.holdfast;
in
{
  imports = [
    ./apply.nix
    ./collect.nix
  ];

  config = lib.mkIf cfg.enable {
    virtualisation.docker.enable = lib.mkDefault true;
  };
}
