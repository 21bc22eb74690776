# A Drone server as a stack, and its exec runner as a unit. Neither is a section of the manifest: modules/drone.nix makes
# a stack, templates and units of them.
{ lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  text =
    description:
    mkOption {
      inherit description;
      type = types.str;
    };
  secret = what: text "The secret of `secrets` with ${what}.";
in
{
  options.services.holdfast.drone = {
    enable = lib.mkEnableOption "the stack `drone`, a Drone server behind Traefik to which people sign in through Gitea";
    host = text "The name that people and runners reach the server at. Webhooks other than Drone's own must have another one: Drone removes hooks that lead to its own name.";
    image = text "Name of the image in `images` whose program is `drone-server`.";
    gitea.url = text "The Gitea that people sign in through, as they reach it.";
    oauth = {
      id = secret "the client id of the application at Gitea";
      secret = secret "the client secret of that application";
    };
    rpc_secret = secret "what runners show to the server";
    cookie_secret = secret "what sessions are signed with, so that they survive a restart";
    database_secret = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "The secret of `secrets` with the key, 32 characters, under which secrets of repositories lie in the database. It must be there from the first start on.";
    };
    admin = {
      username = text "The Gitea login of the administrator, whose account is made at the first start.";
      token = secret "that account's API token, without colons and commas";
      password = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "The secret of `secrets` with that account's password at Gitea. With it this server is `forge.drone`: it is signed in to without a browser, and builds the repositories of `forge.drone.repositories`.";
      };
    };
    webhook = {
      secret = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "The secret of `secrets` that the server signs its calls to the bridge of this host with, so that the bridge knows at once when a build goes on. With it `bridge.drone` has its `url`, `connect`, `token` and `webhook_secret` from here.";
      };
      url = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "http://192.0.2.10:8787/drone";
        description = "Where the server, in its container, reaches the bridge; `/drone` at `bridge.listen` when absent.";
      };
    };
    network = mkOption {
      type = types.str;
      default = "proxy";
      description = "The network of `networks` that Traefik reaches the server on.";
    };
    data = mkOption {
      type = types.nullOr (types.strMatching "/.+");
      default = null;
      example = "/var/lib/drone";
      description = "A folder of the host for the database, which must be there; a named volume `drone_data` when absent.";
    };
    at = mkOption {
      type = types.listOf types.str;
      default = [ "127.0.0.1:443" ];
      description = "Addresses at which the gates ask for `host`, and the first of them is where `forge.drone` and `bridge.drone` dial; what the name resolves to when empty.";
    };
    settings = mkOption {
      type = types.attrsOf types.str;
      default = { };
      example = {
        DRONE_USER_FILTER = "team";
      };
      description = "More environment of the server, which everybody sees who may look at the service: no secrets.";
    };

    runner = {
      enable = lib.mkEnableOption "the exec runner, which runs builds on this host as a user of its own";
      package = lib.mkPackageOption pkgs "drone-runner-exec" { };
      limit_repos = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "team/app" ];
        description = "Repositories whose builds run here. At least one.";
      };
      limit_events = mkOption {
        type = types.listOf types.str;
        default = [ "custom" ];
        description = "Events whose builds run here. With `custom` alone neither a push nor a pull request reaches the host; the bridge's builds do.";
      };
      capacity = mkOption {
        type = types.ints.positive;
        default = 2;
        description = "Builds at once.";
      };
      labels = mkOption {
        type = types.attrsOf types.str;
        default = { };
        description = "Labels, which a pipeline must name exactly to be run here.";
      };
      proof = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "team/hello";
        description = "A repository of `forge.drone` and of `limit_repos` whose pipeline says hello: the gate `runner_builds` then wants a green build of it, at most a day old.";
      };
      listen = mkOption {
        type = types.str;
        default = "127.0.0.1:3300";
        description = "Where the runner answers `/healthz`.";
      };
      shell = mkOption {
        internal = true;
        type = types.package;
        description = "The shell of steps, as the program `sh`.";
      };
      packages = mkOption {
        type = types.listOf types.package;
        default = [ ];
        description = "What steps find on their `PATH`, beside a shell, coreutils, git, grep, sed and Nix.";
      };
    };
  };
}
