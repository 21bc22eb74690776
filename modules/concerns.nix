# What can be imported: everything, or one concern with what it needs. A concern's options are always all there, so that
# one manifest is written; what a concern that is not imported would do is not done.
{ self }:
let
  base = [
    ./options
    (import ./package.nix { inherit self; })
    ./compile.nix
    ./off.nix
  ];
  concern = files: { imports = base ++ files; };
in
{
  default = concern [
    ./secrets.nix
    ./swarm.nix
    ./traefik.nix
    ./gates.nix
    ./bridge.nix
    ./drone.nix
  ];
  secrets = concern [ ./secrets.nix ];
  swarm = concern [ ./swarm.nix ];
  traefik = concern [ ./traefik.nix ];
  gates = concern [ ./gates.nix ];
  bridge = concern [ ./bridge.nix ];
  drone = concern [ ./drone.nix ];
  runner = concern [ ./runner.nix ];
}
