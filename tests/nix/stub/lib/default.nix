# A stand-in for the `lib` of nixpkgs, written for these tests: what Holdfast's flake and modules use of it, and no more.
let
  parts = [
    ./sets.nix
    ./text.nix
    ./options.nix
    ./types.nix
    ./modules.nix
  ];
  make =
    overlay:
    let
      base = builtins.foldl' (all: part: all // import part lib) { inherit extend; } parts;
      extend =
        more:
        make (
          final: prev:
          let
            first = prev // overlay final prev;
          in
          overlay final prev // more final first
        );
      lib = base // overlay lib base;
    in
    lib;
in
make (_: _: { })
