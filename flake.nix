{
  description = "Makes a Docker Swarm host equal to its manifest, and proves it";

  # docs/explanation/nixos.md says how far this pin was verified.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      eachSystem = f: lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
      from = file: eachSystem (pkgs: import file { inherit pkgs self; });
    in
    {
      packages = from ./nix/packages.nix;
      apps = from ./nix/apps.nix;
      checks = from ./nix/checks.nix;
      devShells = from ./nix/shells.nix;
      formatter = eachSystem (pkgs: pkgs.nixfmt-tree);

      overlays.default = final: _: {
        holdfast = self.packages.${final.stdenv.hostPlatform.system}.default;
      };

      nixosModules = import ./modules/concerns.nix { inherit self; };
      nixosConfigurations = import ./nix/hosts.nix { inherit lib self; };

      templates.default = {
        path = ./templates/host;
        description = "A host with one stack, proven on every switch";
      };
    };
}
