# The Drone server as a stack. What is secret stands in one file that the server reads itself (`--env-file`), a Swarm
# secret; what is not stands in the service's environment, where a plan shows it. It has to: the official image sets some
# of it, and an environment goes before the file.
# docs/decisions/0023-drone-and-its-runner.md says why this is a stack of the module.
{ config, lib, ... }:
let
  cfg = config.services.holdfast;
  inherit (cfg) drone;
  # Quoted so that the reader of the file takes it as it is; `env` refuses what could end the quotes.
  line = name: secret: "${name}='{{ ${secret} | env }}'\n";
  secrets = [
    drone.oauth.id
    drone.oauth.secret
    drone.rpc_secret
    drone.cookie_secret
    drone.admin.token
  ]
  ++ lib.filter (name: name != null) [
    drone.admin.password
    drone.database_secret
    drone.webhook.secret
  ];
  undeclared = lib.filter (name: !(cfg.secrets ? ${name})) secrets;
  hidden = lib.filter (name: builtins.match ".*(SECRET|TOKEN|PASSWORD|USER_CREATE).*" name != null) (
    lib.attrNames drone.settings
  );

  environment = {
    DRONE_COOKIE_SECURE = "true";
    DRONE_DATABASE_DATASOURCE = "/data/database.sqlite";
    DRONE_DATABASE_DRIVER = "sqlite3";
    DRONE_DATADOG_ENABLED = "false";
    DRONE_GITEA_SERVER = drone.gitea.url;
    # One line a message: see LogFilterPatterns below.
    DRONE_LOGS_PRETTY = "false";
    DRONE_PROMETHEUS_ANONYMOUS_ACCESS = "false";
    DRONE_REGISTRATION_CLOSED = "true";
    DRONE_SERVER_HOST = drone.host;
    DRONE_SERVER_PORT = ":8080";
    DRONE_SERVER_PROTO = "https";
    # It would be set on the commit that holds the pipeline, which is not the one that is tested.
    DRONE_STATUS_DISABLED = "true";
    TMPDIR = "/data";
  }
  // lib.optionalAttrs calls {
    DRONE_WEBHOOK_ENDPOINT = endpoint;
    DRONE_WEBHOOK_EVENTS = "build:*";
  };
  calls = drone.webhook.secret != null;
  endpoint =
    if drone.webhook.url == null then "http://${cfg.bridge.listen}/drone" else drone.webhook.url;
  # How this host asks for the server.
  asked = {
    url = "https://${drone.host}";
    connect = if drone.at == [ ] then null else builtins.head drone.at;
  };
  fixed = lib.filter (name: environment ? ${name}) (lib.attrNames drone.settings);

  webhooks =
    if cfg.forge == null || cfg.forge.gitea == null || cfg.forge.gitea.webhooks == null then
      { }
    else
      cfg.forge.gitea.webhooks;
  # "https://drone.example.org/hook" → "drone.example.org"
  host_of = url: builtins.head (lib.splitString "/" (lib.last (lib.splitString "://" url)));
  meets = lib.filter (name: host_of webhooks.${name}.url == drone.host) (lib.attrNames webhooks);
in
{
  imports = [
    ./runner.nix
    ./secrets.nix
    ./swarm.nix
  ];

  config = lib.mkIf (cfg.enable && drone.enable) {
    services.holdfast = {
      templates.drone_env = {
        install = false;
        content = lib.concatStringsSep "" (
          [
            (line "DRONE_GITEA_CLIENT_ID" drone.oauth.id)
            (line "DRONE_GITEA_CLIENT_SECRET" drone.oauth.secret)
            (line "DRONE_RPC_SECRET" drone.rpc_secret)
            (line "DRONE_COOKIE_SECRET" drone.cookie_secret)
          ]
          ++ lib.optional (drone.database_secret != null) (line "DRONE_DATABASE_SECRET" drone.database_secret)
          ++ lib.optional calls (line "DRONE_WEBHOOK_SECRET" drone.webhook.secret)
          ++ [
            "DRONE_USER_CREATE='username:${drone.admin.username},machine:false,admin:true,token:{{ ${drone.admin.token} | env }}'\n"
          ]
        );
      };

      stacks.drone = {
        images.server = drone.image;
        settings = {
          services.server = {
            image = "holdfast.invalid/drone"; # stands for `images`
            command = [
              "--env-file"
              "/run/secrets/drone_env"
            ];
            environment = environment // drone.settings;
            cap_drop = [ "ALL" ];
            read_only = true;
            networks = [ drone.network ];
            volumes = [ "${if drone.data == null then "data" else drone.data}:/data" ];
            secrets = [
              {
                source = "drone_env";
                mode = 256; # 0400
              }
            ];
            # To the journal, where the unit of the engine has a filter.
            logging.driver = "journald";
            deploy = {
              replicas = 1;
              endpoint_mode = "dnsrr";
              # Two servers cannot have one database.
              update_config.order = "stop-first";
              labels = {
                "traefik.enable" = "true";
                "traefik.http.routers.drone.rule" = "Host(`${drone.host}`)";
                "traefik.http.routers.drone.entrypoints" = "web-secure";
                "traefik.http.routers.drone.tls" = "true";
                "traefik.http.services.drone.loadbalancer.server.port" = "8080";
              };
            };
          };
          networks.${drone.network}.external = true;
          secrets.drone_env.external = true;
          volumes = lib.optionalAttrs (drone.data == null) { data = { }; };
        };
      };

      forge = lib.mkIf (drone.admin.password != null) {
        drone = lib.mapAttrs (_: lib.mkDefault) asked // {
          admin = {
            inherit (drone.admin) username;
            token.secret = drone.admin.token;
            password.secret = drone.admin.password;
          };
        };
      };

      bridge = lib.mkIf calls {
        drone = lib.mapAttrs (_: lib.mkDefault) (
          asked
          // {
            token.secret = drone.admin.token;
            webhook_secret.secret = drone.webhook.secret;
          }
        );
      };

      gates = {
        # As a runner would find it.
        drone = lib.mkDefault {
          drone = asked // {
            runner_secret.secret = drone.rpc_secret;
          };
        };
        drone_auth = lib.mkDefault {
          auth = {
            url = "https://${drone.host}/api/user";
            inherit (drone) at;
          };
        };
        # For administrators alone.
        drone_metrics = lib.mkDefault {
          https = {
            url = "https://${drone.host}/metrics";
            status = [ "401" ];
            inherit (drone) at;
          };
        };
      }
      // lib.optionalAttrs (drone.admin.password != null) {
        drone_oauth = lib.mkDefault { oauth = { }; };
      };
    };

    # Drone writes the administrator's token to its log when it makes or changes the account. systemd 253 and newer.
    systemd.services.docker.serviceConfig.LogFilterPatterns = "~bootstrap:";

    assertions = [
      {
        assertion = undeclared == [ ];
        message = "services.holdfast.drone names secrets that are not declared: ${toString undeclared}. Set `services.holdfast.secrets.${
          builtins.head (undeclared ++ [ "NAME" ])
        }.file = ./secrets/ci.yaml;`.";
      }
      {
        assertion = hidden == [ ];
        message = "services.holdfast.drone.settings is seen by everybody who may look at the service, and has what should be secret: ${toString hidden}. Set the options `oauth`, `rpc_secret`, `cookie_secret`, `database_secret` and `admin.token` instead.";
      }
      {
        assertion = fixed == [ ];
        message = "services.holdfast.drone.settings has what the module sets itself: ${toString fixed}. Leave it out.";
      }
      {
        assertion =
          !calls || builtins.match "https?://(127[.].*|localhost[:/].*|\\[::1].*)" endpoint == null;
        message = "Drone runs in a container, where ${lib.optionalString calls endpoint} is the container itself. Set `services.holdfast.bridge.listen` to an address of the host, or `services.holdfast.drone.webhook.url`.";
      }
      {
        assertion = meets == [ ];
        message = "Drone removes webhooks that lead to its own name, ${drone.host}, as these of services.holdfast.forge.gitea.webhooks do: ${toString meets}. Give them a `url` with another name or port.";
      }
    ];
  };
}
