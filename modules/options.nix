# Every option; no configuration, so that the documentation can evaluate this file alone.
{ lib, pkgs, ... }:
let
  json = pkgs.formats.json { };
  section =
    description:
    lib.mkOption {
      type = lib.types.nullOr json.type;
      default = null;
      description = "${description} As in the manifest; left out when null.";
    };
in
{
  options.services.holdfast = {
    enable = lib.mkEnableOption "Holdfast, which makes this Docker Swarm host equal to its manifest and proves it";

    package = lib.mkOption {
      type = lib.types.package;
      description = "The package with the `holdfast` program.";
    };

    manifest = lib.mkOption {
      type = lib.types.package;
      readOnly = true;
      description = "The compiled manifest: what `holdfast compile` makes of the sections below.";
    };

    instance = section "Which of several Holdfasts on one host this is.";
    host = section "The machine; its name is the host name by default.";
    engine = section "Where the Docker engine listens.";
    swarm = section "The swarm.";
    node = section "This node's own settings.";
    networks = section "Overlay networks that stacks share.";
    images = section "Images that are loaded from files or pinned by digest.";
    image_lock = section "The lock file of images, usually `./holdfast.lock.json` beside the flake.";
    image_policy = section "Which images may run.";
    registries = section "Registries that want a login or are reached in another way than by HTTPS.";
    identities = section "What opens the secrets.";
    secrets = section "Secrets in sops files.";
    allow_older = section "Files of secrets that may be older than what was applied here.";
    naming_key = section "The secret whose bytes key the names of Swarm secrets.";
    templates = section "Files rendered from secrets.";
    stacks = section "Stacks from compose files.";
    traefik = section "The reverse proxy.";
    gates = section "What must be proven.";
    keep = section "How much of what was before is kept, for a rollback.";
    paths = section "Folders.";
  };
}
