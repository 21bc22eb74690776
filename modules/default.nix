# services.holdfast: options → one manifest, compiled and checked in the build → units that apply and prove it.
{ self }:
{
  imports = [
    ./options
    (import ./package.nix { inherit self; })
    ./compile.nix
    ./off.nix
    ./secrets.nix
    ./swarm.nix
    ./traefik.nix
    ./gates.nix
  ];
}
