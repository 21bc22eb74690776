# Certificates that something else on the host renews: their files are watched, and a new one is served and proven.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.holdfast;
  certificates = if cfg.traefik == null then [ ] else cfg.traefik.certificates;
  chains = map (one: one.chain.file) certificates;
  keys = map (one: one.key.file) certificates;
  # What lies in the checkout or the store only changes with the manifest.
  on_the_host = file: lib.isString file && !lib.hasPrefix builtins.storeDir file;
  watched = lib.unique (lib.filter on_the_host (chains ++ keys));
in
{
  imports = [ ./swarm.nix ];

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = lib.all (file: file == null || on_the_host file) keys;
        message = "services.holdfast.traefik.certificates has a private key in the Nix store, which everybody can read. Set `key.secret = \"NAME\";` for a key in a sops file, or `key.file = \"/var/lib/acme/example.org/key.pem\";` for one on the host.";
      }
    ];

    systemd.paths = lib.mkIf (watched != [ ]) {
      holdfast-renewed = {
        description = "Watch the files of certificates";
        wantedBy = [ "multi-user.target" ];
        pathConfig.PathChanged = watched;
      };
    };

    # Behind an apply that is under way: it may have read the old chain beside the new key, and what is started while it
    # runs would be no new run.
    systemd.services = lib.mkIf (watched != [ ]) {
      holdfast-renewed = {
        description = "Have renewed certificates served, and proven";
        after = [ "holdfast-apply.service" ];
        serviceConfig = (import ./hardening.nix cfg).tells // {
          Type = "oneshot";
          ExecStart = "${config.systemd.package}/bin/systemctl start --no-block holdfast-apply.service holdfast-verify.service";
        };
      };
    };
  };
}
