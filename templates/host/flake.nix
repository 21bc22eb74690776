{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";
  inputs.holdfast.url = "git+https://git.example.org/holdfast";
  inputs.holdfast.inputs.nixpkgs.follows = "nixpkgs";

  outputs =
    { nixpkgs, holdfast, ... }:
    {
      nixosConfigurations.web = nixpkgs.lib.nixosSystem {
        modules = [
          holdfast.nixosModules.default
          ./configuration.nix
        ];
      };
    };
}
