# A configuration → what a switch switches to, in the shape of a NixOS system: `etc/systemd/system` with the units as the
# modules render them, `activate`, `dry-activate`. Targets and the engine's units are those of the Debian at `machine`.
{
  nixpkgs,
  machine,
  name,
  modules,
}:
let
  inherit (nixpkgs) lib;
  pkgs = nixpkgs.legacyPackages.x86_64-linux;
  inherit (lib.nixosSystem { modules = [ ./base.nix ] ++ modules; }) config;
  docker = config.virtualisation.docker;

  # Linked as `systemctl enable` would do it.
  links = lib.concatLines (
    lib.concatMap
      (
        kind:
        lib.concatLists (
          lib.mapAttrsToList (
            unit: one:
            let
              link = how: target: ''
                mkdir -p ${target}.${how}
                ln -sfn ../${unit}.${lib.removeSuffix "s" kind} ${target}.${how}/
              '';
            in
            lib.optionals one.enable (map (link "wants") one.wantedBy ++ map (link "requires") one.requiredBy)
          ) config.systemd.${kind}
        )
      )
      [
        "services"
        "sockets"
        "timers"
        "paths"
        "targets"
      ]
  );
  written = unit: text: ''
    place=${unit}
    if [ -e ${unit} ]; then mkdir -p ${unit}.d; place=${unit}.d/overrides.conf; fi
    cat >$place <<'END OF THE UNIT'
    ${text}
    END OF THE UNIT
  '';

  targets = [
    "basic"
    "getty"
    "local-fs"
    "local-fs-pre"
    "multi-user"
    "network"
    "network-online"
    "network-pre"
    "nss-lookup"
    "nss-user-lookup"
    "paths"
    "remote-fs"
    "slices"
    "sockets"
    "swap"
    "sysinit"
    "time-set"
    "time-sync"
    "timers"
  ];
  daemon = pkgs.writeText "daemon.json" (
    builtins.toJSON (docker.daemon.settings // { live-restore = docker.liveRestore; })
  );
  engine = lib.optionalString docker.enable ''
    cp ${machine}/lib/systemd/system/docker.{service,socket} .
    sed -i 's|^ExecStart=.*|& --config-file=${daemon}|' docker.service
    mkdir -p multi-user.target.wants sockets.target.wants
    ln -s ../docker.service multi-user.target.wants/
    ln -s ../docker.socket sockets.target.wants/
  '';

  snippet =
    one:
    {
      deps = [ ];
      supportsDryActivation = false;
    }
    // (if lib.isString one then { text = one; } else one);
  snippets = lib.mapAttrs (_: snippet) config.system.activationScripts;
  # Each after what it names.
  ordered = lib.foldl' (
    done: name: if lib.elem name done then done else done ++ after done name
  ) [ ] (lib.attrNames snippets);
  after =
    done: name:
    lib.foldl' (
      more: needed: if lib.elem needed (done ++ more) then more else more ++ after (done ++ more) needed
    ) [ ] snippets.${name}.deps
    ++ [ name ];
  script =
    names: last:
    pkgs.writeShellScript "activate" ''
      systemConfig=$(readlink -f "$1")
      status=0
      trap 'status=1' ERR
      ${lib.concatMapStringsSep "\n" (name: "# ${name}\n${snippets.${name}.text}") names}
      ${last}
      exit $status
    '';
  activate = script ordered ''ln -sfnT "$systemConfig" /run/current-system'';
  dry_activate = script (lib.filter (name: snippets.${name}.supportsDryActivation) ordered) "";
in
assert config.system.build.toplevel.drvPath != "";
pkgs.runCommand "generation-${name}" { } ''
  mkdir -p $out/etc/systemd/system $out/sw/bin
  for package in ${toString config.environment.systemPackages}; do ln -s $package/bin/* $out/sw/bin/; done
  echo 1 >$out/init-interface-version
  ln -s ${pkgs.writeText "system.conf" "[Manager]\n"} $out/etc/systemd/system.conf
  ln -s ${activate} $out/activate
  ln -s ${dry_activate} $out/dry-activate
  cd $out/etc/systemd/system
  for target in ${toString targets}; do cp ${machine}/lib/systemd/system/$target.target .; done
  ln -s multi-user.target default.target
  ${engine}
  ${lib.concatLines (lib.mapAttrsToList written config.rendered)}
  ${links}
''
