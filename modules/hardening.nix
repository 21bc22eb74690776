# How much of the system each kind of unit may reach: `services.holdfast` → settings of services. Pure.
# docs/reference/units.md has the score of every unit, and for those above 2.5 the reason of every directive that costs
# points.
cfg:
let
  folders = cfg.identities.plugin_folders;
  # The engine, which is as good as root, and what Holdfast keeps.
  others = [
    "-/run/docker.sock"
    "-/run/docker"
    "-/run/containerd"
    "-${cfg.paths.run}"
    "-${cfg.paths.state}"
  ];
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

  # Makes forges equal too, which are reached over the network. Where none is declared, apply has no way out.
  applies =
    if cfg.forge == null then
      installs
    else
      removeAttrs installs [ "IPAddressDeny" ]
      // {
        RestrictAddressFamilies = [
          "AF_UNIX"
          "AF_INET"
          "AF_INET6"
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

  # Answers on the network, as a user of its own, and writes to its own folder alone.
  listens = shared // {
    CapabilityBoundingSet = "";
    # What else the host keeps is none of its business.
    InaccessiblePaths = others;
    PrivateDevices = true;
    PrivateTmp = true;
    PrivateUsers = true;
    ProcSubset = "pid";
    ProtectControlGroups = true;
    ProtectHome = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    ProtectProc = "invisible";
    ProtectSystem = "strict";
    RemoveIPC = true;
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

  # Runs builds, as a user of its own. Each step is put into namespaces of its own with a `/proc` of its own, which a kernel
  # gives only to those whose own `/proc` is whole: so there is no ProtectKernelTunables, ProtectKernelLogs, ProtectProc or
  # ProcSubset. Compilers and their like make code in memory.
  builds =
    removeAttrs listens [
      "MemoryDenyWriteExecute"
      "ProcSubset"
      "ProtectKernelLogs"
      "ProtectKernelTunables"
      "ProtectProc"
    ]
    // {
      PrivateMounts = true;
      RestrictAddressFamilies = [
        "AF_UNIX"
        "AF_INET"
        "AF_INET6"
        "AF_NETLINK" # which addresses there are
      ];
      RestrictNamespaces = [ "user mnt pid" ];
      SystemCallFilter = [
        "@system-service"
        "@mount"
      ];
    };

  # Asks systemd for something and is done.
  tells = removeAttrs serves [ "ReadWritePaths" ] // {
    CapabilityBoundingSet = "";
    ProtectHome = true;
  };
}
