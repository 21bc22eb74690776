# `nix run`: the program. `nix run .#plan-HOST`, `.#apply-HOST` and `.#verify-HOST`: that host's manifest without a switch,
# on the host itself or, with `-- --on root@HOST`, from here. `verify` also wants the system of this checkout to run there.
{ pkgs, self }:
let
  inherit (pkgs) lib;
  program = lib.getExe self.packages.${pkgs.stdenv.hostPlatform.system}.default;
  script =
    command: name:
    pkgs.writeShellApplication {
      name = "${command}-${name}";
      runtimeInputs = [
        pkgs.coreutils
        pkgs.nix
        pkgs.openssh
      ];
      text =
        let
          inherit (self.nixosConfigurations.${name}.config) services system;
          inherit (services) holdfast;
          # Its path alone: it need not be built for that.
          toplevel = builtins.unsafeDiscardStringContext "${system.build.toplevel}";
          more = lib.optionalString (command == "verify") " --expect-closure ${toplevel}";
        in
        ''
          line=(${lib.getExe holdfast.package} ${command} ${holdfast.manifest}${more})
          if [ "''${1:-}" = --on ]; then
            to=''${2:?names the host, as in root@${name}}
            shift 2
            nix copy --to "ssh://$to" ${holdfast.package} ${holdfast.manifest}
            exec ssh "$to" "$(printf '%q ' "''${line[@]}" "$@")"
          fi
          # Another machine would become this host.
          if [ "$(uname -n)" != ${lib.escapeShellArg holdfast.host.name} ]; then
            echo "error: this is $(uname -n), and the manifest is of "${lib.escapeShellArg holdfast.host.name} >&2
            echo "hint: nix run .#${command}-${name} -- --on root@"${lib.escapeShellArg holdfast.host.name} >&2
            exit 64
          fi
          exec "''${line[@]}" "$@"
        '';
    };
  app = program: description: {
    type = "app";
    inherit program;
    meta = { inherit description; };
  };
  of_hosts =
    command: words:
    lib.mapAttrs' (
      name: _:
      lib.nameValuePair "${command}-${name}" (
        app (lib.getExe (script command name)) "${words} of the host ${name}"
      )
    ) self.nixosConfigurations;
in
{
  default = app program "Makes a Docker Swarm host equal to its manifest, and proves it";
}
// of_hosts "plan" "Show what a switch would do to the stacks"
// of_hosts "apply" "Apply the manifest"
// of_hosts "verify" "Prove that this very system runs, and everything"
