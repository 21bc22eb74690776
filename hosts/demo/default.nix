# A host is data: names, addresses, and which modules. `manifest.json` beside this file is what `make demo` runs.
{
  networking.hostName = "demo";
  system.stateVersion = "25.11";
  # No disks and no boot loader: it is here to be evaluated, and to be copied from.
  boot.isContainer = true;

  services.holdfast = {
    enable = true;
    swarm = {
      advertise = "192.0.2.10";
      listen = "192.0.2.10:2377";
      task_history = 2;
    };
    networks.proxy.attachable = true;
    gates.manager_listens.tcp.address = "192.0.2.10:2377";
  };
}
