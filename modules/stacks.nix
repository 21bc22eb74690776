# A unit for each stack, which carries that stack's own red or green and which others can be ordered after.
{ config, lib, ... }:
let
  cfg = config.services.holdfast;
  proofs = import ./proof.nix { inherit cfg config lib; };
in
{
  config = lib.mkIf cfg.enable {
    systemd.services = lib.listToAttrs (
      map (
        name:
        lib.nameValuePair "holdfast-stack-${name}" (
          proofs.always "Prove the stack ${name}" "verify ${cfg.manifest} --only stack.${name}" [ ]
        )
      ) proofs.stacks
    );
  };
}
