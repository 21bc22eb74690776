# Certificates that something else on the host renews: their files are watched, and a new one is served and proven.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.holdfast;
  program = lib.getExe cfg.package;
  hardening = import ./hardening.nix;
  certificates = if cfg.traefik == null then [ ] else cfg.traefik.certificates;
  files = lib.unique (
    lib.filter (file: file != null) (
      lib.concatMap (one: [
        one.chain.file
        one.key.file
      ]) certificates
    )
  );
  # What lies in the checkout or the store only changes with the manifest.
  watched = lib.filter (file: lib.isString file && !lib.hasPrefix builtins.storeDir file) files;
in
{
  config = lib.mkIf (cfg.enable && watched != [ ]) {
    systemd.paths.holdfast-renewed = {
      description = "Watch the files of certificates";
      wantedBy = [ "multi-user.target" ];
      pathConfig.PathChanged = watched;
    };

    # With its gates: what is served now has to be the new one.
    systemd.services.holdfast-renewed = {
      description = "Serve certificates that were renewed, and prove it";
      requires = [ "docker.service" ];
      after = [
        "docker.service"
        "holdfast-apply.service"
      ];
      serviceConfig = hardening.applies // {
        Type = "oneshot";
        ExecStart = "${program} apply ${cfg.manifest} --lock-wait 10m";
      };
    };
  };
}
