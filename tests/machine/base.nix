# What a NixOS brings along and a Debian in its place does not have: the parts of it that a switch touches.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  users = lib.mapAttrsToList (
    name: one:
    lib.concatStringsSep "\n" (
      [
        "id -u ${name} >/dev/null 2>&1 || useradd ${lib.optionalString one.isSystemUser "--system"} ${
          lib.optionalString (one.group != "") "--gid ${one.group}"
        } ${name}"
      ]
      ++ lib.optional (
        one.hashedPasswordFile != null
      ) ''usermod --password "$(cat ${one.hashedPasswordFile})" ${name}''
    )
  ) config.users.users;
  oneshot = {
    Type = "oneshot";
    RemainAfterExit = true;
  };
in
{
  networking.hostName = "machine";

  # Addresses are there before anything that needs them, on the same unit at every boot.
  systemd.services.network-addresses = {
    description = "Address of the machine";
    wantedBy = [ "multi-user.target" ];
    before = [
      "network.target"
      "network-online.target"
    ];
    serviceConfig = oneshot // {
      ExecStart = "/sbin/ip address replace 198.18.0.2/32 dev lo";
    };
  };

  # NixOS activates before systemd is there; here systemd runs it first.
  systemd.services.stage-2 = {
    description = "Activate the system at a boot";
    wantedBy = [ "sysinit.target" ];
    before = [ "sysinit.target" ];
    after = [ "local-fs.target" ];
    unitConfig.DefaultDependencies = false;
    restartIfChanged = false;
    serviceConfig = oneshot // {
      ExecStart = "/var/lib/system-profile/activate /var/lib/system-profile";
    };
  };

  systemd.targets.sysinit-reactivation = {
    description = "Units before sysinit.target that a switch starts again";
    after = [ "sysinit.target" ];
  };

  system.activationScripts = {
    specialfs = "mkdir -p /run/nixos";
    groups.text = lib.concatMapStrings (name: "groupadd --force ${name}\n") (
      lib.attrNames config.users.groups
    );
    users = {
      deps = [ "groups" ];
      text = lib.concatLines users;
    };
    etc = {
      deps = [ "users" ];
      text = ''
        [ -L /etc/systemd/system ] || rm -rf /etc/systemd/system
        ln -sfnT "$systemConfig/etc/systemd/system" /etc/systemd/system
        ln -sfnT "$(readlink "$systemConfig/etc/systemd/system.conf")" /etc/systemd/system.conf
      '';
    };
  };

  virtualisation.docker.package = lib.mkDefault pkgs.docker;
}
