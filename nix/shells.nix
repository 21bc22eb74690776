{ pkgs, self }:
{
  default = pkgs.mkShell {
    inputsFrom = [ self.packages.${pkgs.stdenv.hostPlatform.system}.default ];
    packages = [
      pkgs.age
      pkgs.clippy
      pkgs.rustfmt
      pkgs.sops
    ];
  };
}
