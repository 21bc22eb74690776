# services.holdfast: options → one manifest, compiled and checked in the build → a oneshot that applies it.
{ self }:
{
  imports = [
    ./options
    (import ./package.nix { inherit self; })
    ./compile.nix
    ./oneshot.nix
    ./secrets.nix
    ./collect.nix
  ];
}
