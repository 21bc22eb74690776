# How much of the system each kind of unit may reach: `services.holdfast` → settings of services. Pure.
# docs/reference/units.md has the score of every unit, and for those above 2.5 the reason of every directive that costs
# points.
cfg:
let
  folders = cfg.identities.plugin_folders;
  # Plugins for keys ask a TPM or a token, which are devices.
  has_plugins = folders != null && folders != [ ];
  # Nothing in here puts the unit into a mount namespace of its own.
  shared = {
    DevicePolicy = if has_plugins then "auto" else "closed";
    LimitCORE = 0;
    LockPersonality = true;
    MemoryDenyWriteExecute = true;
    NoNewPrivileges = true;
    ProtectClock = true;
    ProtectHostname = true;
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    SystemCallErrorNumber = "EPERM";
    UMask = "0077";
  };
in
rec {
  # Mounts the memory that secrets are in, where the whole host shall see it. A mount namespace would keep that mount to
  # the unit, so there is no ProtectSystem, ProtectHome, PrivateTmp, PrivateDevices, ProtectKernel*, ProtectControlGroups
  # or ProtectProc: each of these makes one.
  installs = shared // {
    CapabilityBoundingSet = [
      "CAP_CHOWN" # files belong to their owners
      "CAP_DAC_OVERRIDE" # links lie in folders of others
      "CAP_DAC_READ_SEARCH"
      "CAP_FOWNER"
      "CAP_IPC_LOCK" # secrets are not swapped
      "CAP_SYS_ADMIN" # mount
    ];
    # systemd and the engine by their sockets; no network.
    IPAddressDeny = "any";
    RestrictAddressFamilies = [ "AF_UNIX" ];
    SystemCallFilter = [
      "@system-service"
      "@mount"
      "~@resources"
    ];
  };

  # Reads the host, the engine and the network, and writes what it proved.
  proves = shared // {
    CapabilityBoundingSet = [
      "CAP_DAC_READ_SEARCH" # files of others are looked at
      "CAP_IPC_LOCK" # secrets are not swapped
    ];
    PrivateDevices = !has_plugins;
    PrivateTmp = true;
    ProtectControlGroups = true;
    # Private keys may lie there.
    ProtectHome = "read-only";
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    ProtectSystem = "strict";
    # `/run` is a mount already; a folder in it would be mounted on itself, and what is mounted below then stood twice in
    # the mount table, which is refused for secrets.
    ReadWritePaths = [
      "/run"
      "-${cfg.paths.state}"
    ];
    RestrictAddressFamilies = [
      "AF_UNIX"
      "AF_INET"
      "AF_INET6"
    ];
    SystemCallFilter = [
      "@system-service"
      "~@privileged @resources"
    ];
  };

  # Removes through the engine; nothing else of the host.
  collects = proves // {
    RestrictAddressFamilies = [ "AF_UNIX" ];
    IPAddressDeny = "any";
  };

  # Hands decrypted values to systemd over a socket that systemd opened.
  serves = collects // {
    PrivateNetwork = true;
  };

  # Asks systemd for something and is done.
  tells = removeAttrs serves [ "ReadWritePaths" ] // {
    CapabilityBoundingSet = "";
    ProtectHome = true;
  };
}
