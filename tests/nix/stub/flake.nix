# Stands in for nixpkgs where there is none: `nix flake check --override-input nixpkgs path:tests/nix/stub`.
# With the real library beside it, `real-lib`, that one is used: tests/nix/check.sh puts it there.
{
  outputs = _: import ./. { base = import ./lib; };
}
