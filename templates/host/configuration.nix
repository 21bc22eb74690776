# Replace the addresses and names, and import what `nixos-generate-config` wrote.
{
  networking.hostName = "web";
  nixpkgs.hostPlatform = "x86_64-linux";
  system.stateVersion = "25.11";

  services.holdfast = {
    enable = true;
    swarm.advertise = "192.0.2.10";
    networks.proxy.attachable = true;
    stacks.app.compose = [ ./app.compose.yml ];
    gates.app_listens.tcp.address = "192.0.2.10:8080";
  };
}
