# The manifest of hosts/demo by plain evaluation, without nixpkgs; the module sets the host's name from networking.
let
  system = import ../../hosts/demo;
in
import ../../modules/manifest.nix (
  { host.name = system.networking.hostName; } // system.services.holdfast // { stacks = null; }
)
