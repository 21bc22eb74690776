# The program, and the images that hosts run, as archives.
{ pkgs, self }:
let
  inherit (pkgs) lib;
  cargo = lib.importTOML ../Cargo.toml;
  holdfast = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
  # The archive of one program, which is also on the path inside.
  image =
    package:
    pkgs.dockerTools.buildLayeredImage {
      name = lib.getName package;
      tag = lib.getVersion package;
      contents = [ package ];
      config = {
        Entrypoint = [ (lib.getExe package) ];
        Env = [ "PATH=/bin" ];
      };
    };
in
{
  default = pkgs.rustPlatform.buildRustPackage {
    pname = cargo.package.name;
    inherit (cargo.package) version;
    # Documentation and modules do not rebuild the program.
    src = lib.fileset.toSource {
      root = ./..;
      fileset = lib.fileset.unions [
        ../Cargo.toml
        ../Cargo.lock
        ../benches
        ../clippy.toml
        ../src
        ../tests
      ];
    };
    cargoLock.lockFile = ../Cargo.lock;
    # The integration tests need root and a Docker engine; `make test` runs them.
    cargoTestFlags = [ "--lib" ];
    meta = {
      inherit (cargo.package) description;
      license = lib.licenses.asl20;
      mainProgram = "holdfast";
      platforms = lib.platforms.linux;
    };
  };

  image-holdfast = image holdfast;
  image-traefik = image pkgs.traefik;
  image-httpbin = image pkgs.go-httpbin;
}
