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
      cargo = lib.importTOML ./Cargo.toml;
    in
    {
      packages = eachSystem (pkgs: {
        default = pkgs.rustPlatform.buildRustPackage {
          pname = cargo.package.name;
          inherit (cargo.package) version;
          # Documentation and modules do not rebuild the program.
          src = lib.fileset.toSource {
            root = ./.;
            fileset = lib.fileset.unions [
              ./Cargo.toml
              ./Cargo.lock
              ./benches
              ./src
              ./tests
            ];
          };
          cargoLock.lockFile = ./Cargo.lock;
          # The integration tests need root and a Docker engine; `make test` runs them.
          cargoTestFlags = [ "--lib" ];
          meta = {
            inherit (cargo.package) description;
            license = lib.licenses.asl20;
            mainProgram = "holdfast";
            platforms = lib.platforms.linux;
          };
        };
      });

      apps = eachSystem (pkgs: {
        default = {
          type = "app";
          program = lib.getExe self.packages.${pkgs.stdenv.hostPlatform.system}.default;
          meta.description = cargo.package.description;
        };
      });

      nixosModules.default = lib.modules.importApply ./modules { inherit self; };

      nixosConfigurations.demo = lib.nixosSystem {
        modules = [
          self.nixosModules.default
          ./hosts/demo
        ];
      };

      checks = eachSystem (pkgs: {
        package = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
        demo-manifest = self.nixosConfigurations.demo.config.services.holdfast.manifest;
      });

      devShells = eachSystem (pkgs: {
        default = pkgs.mkShell {
          inputsFrom = [ self.packages.${pkgs.stdenv.hostPlatform.system}.default ];
          packages = [
            pkgs.age
            pkgs.clippy
            pkgs.rustfmt
            pkgs.sops
          ];
        };
      });

      formatter = eachSystem (pkgs: pkgs.nixfmt-tree);
    };
}
