# What the modules make of options, on the library that is handed in. `good` is compared with files under
# tests/golden/nix; each of `bad` must fail with these words.
{
  lib ? import ./stub/lib,
}:
let
  nixpkgs = import ./stub { base = lib; };
  concerns = import ../../modules/concerns.nix {
    self.packages.x86_64-linux.default =
      nixpkgs.legacyPackages.x86_64-linux.rustPlatform.buildRustPackage
        {
          pname = "holdfast";
          version = "0";
        };
  };
  holdfast = concerns.default;
  system = modules: nixpkgs.lib.nixosSystem { modules = [ holdfast ] ++ lib.flatten [ modules ]; };
  enabled = settings: {
    networking.hostName = "web";
    services.holdfast = {
      enable = true;
      swarm.advertise = "192.0.2.10";
    }
    // settings;
  };
  units = settings: (system (enabled settings)).config.rendered;
  built = modules: (system modules).config.system.build.toplevel.drvPath;
  served = key: {
    traefik = {
      image = "traefik";
      proxy_image = "holdfast";
      certificates = [
        {
          chain.file = "/etc/chain.pem";
          key.file = key;
        }
      ];
    };
  };
  secret = more: {
    secrets.token = {
      file = "/etc/secrets/web.yaml";
    }
    // more;
  };

  # A server and a runner on one host; `more` is said of both.
  drone = more: {
    images.drone.archive = "/images/drone.tar";
    networks.proxy = { };
    secrets =
      lib.genAttrs
        [
          "client_id"
          "client_secret"
          "rpc"
          "cookie"
          "token"
        ]
        (_: {
          file = "/etc/secrets/ci.yaml";
        });
    drone = lib.recursiveUpdate {
      enable = true;
      host = "drone.example.org";
      image = "drone";
      gitea.url = "https://git.example.org";
      oauth = {
        id = "client_id";
        secret = "client_secret";
      };
      rpc_secret = "rpc";
      cookie_secret = "cookie";
      admin = {
        username = "admin";
        token = "token";
      };
      runner = {
        enable = true;
        limit_repos = [ "team/app" ];
      };
    } more;
  };
  hook_at = url: {
    forge.gitea = {
      url = "https://git.example.org";
      admin = {
        username = "holdfast";
        password.secret = "token";
      };
      webhooks.bridge = {
        repository = "team/app";
        inherit url;
        events = [ "pull_request_comment" ];
        secret.secret = "token";
      };
    };
  };

  attested = lib.recursiveUpdate (hook_at "https://bridge.example.org/hook") {
    forge.gitea.webhooks.bridge.attest.status = "https://bridge.example.org:8443";
  };

  bridge = {
    secrets =
      lib.genAttrs
        [
          "hook"
          "bot_token"
          "drone_token"
          "other"
        ]
        (_: {
          file = "/etc/secrets/web.yaml";
        });
    bridge = {
      forge = {
        kind = "gitea";
        url = "https://git.example.org";
        hook_secrets = [ { secret = "hook"; } ];
      };
      bot = {
        login = "testbot";
        token.secret = "bot_token";
      };
      drone = {
        url = "https://drone.example.org";
        token.secret = "drone_token";
      };
      repositories."team/app".id = 7;
    };
  };

  # Server, runner and bridge on one host, which know of each other.
  wired =
    more:
    let
      server = drone (
        lib.recursiveUpdate {
          admin.password = "gitea_admin";
          at = [ "192.0.2.20:443" ];
          webhook.secret = "webhook";
          runner.proof = "team/app";
        } more
      );
    in
    lib.recursiveUpdate (server // hook_at "https://bridge.example.org/hook") {
      secrets = bridge.secrets // {
        gitea_admin = { };
        webhook = { };
      };
      defaultSopsFile = "/etc/secrets/ci.yaml";
      bridge = removeAttrs bridge.bridge [ "drone" ] // {
        listen = "192.0.2.20:8787";
      };
    };

  # Of the stand-in itself, where the real library has the last word.
  alone =
    options: config: (nixpkgs.lib.evalModules { modules = [ { inherit options config; } ]; }).config;
  option = type: default: lib.mkOption { inherit type default; };
  merged =
    type: definitions:
    (nixpkgs.lib.evalModules {
      modules = [
        { options.x = lib.mkOption { inherit type; }; }
      ]
      ++ map (x: { inherit x; }) definitions;
    }).config.x;
  refused = says: value: { inherit says value; };
in
{
  version = lib.version or "the stand-in of tests/nix/stub";

  # For the real runner: the shell of its steps.
  step_shell = (system (enabled (drone { }))).config.services.holdfast.drone.runner.shell;

  good = {
    units = units { };
    units_with_secrets = units (secret {
      restart_units = [
        "app.service"
        "app.timer"
      ];
      reloadUnits = [ "web@1.service" ];
    });
    units_of_stacks = units {
      stacks = {
        app.compose = [ "/etc/app.yml" ];
        db.compose = [ "/etc/db.yml" ];
      };
      traefik = {
        image = "traefik";
        proxy_image = "holdfast";
        certificates = [
          {
            chain.file = "/var/lib/acme/example.org/fullchain.pem";
            key.file = "/var/lib/acme/example.org/key.pem";
          }
          {
            chain.file = ../../hosts/demo/motd;
            key.secret = "tls_key";
          }
        ];
      };
    };
    units_of_a_bridge = lib.filterAttrs (name: _: lib.hasPrefix "holdfast-bridge" name) (units bridge);
    # What it is handed, and what its manifest knows.
    secrets_of_a_bridge =
      let
        host = (system (enabled bridge)).config;
      in
      {
        secrets = lib.mapAttrs (_: one: {
          inherit (one) credentials restart_units;
        }) host.services.holdfast.secrets;
        inherit (host.services.holdfast.backup) paths;
        inherit (host.users) users;
        gate = host.services.holdfast.gates.bridge.unit;
        socket = host.systemd.sockets.holdfast-credentials.socketConfig;
      };
    units_of_a_runner = lib.filterAttrs (name: _: lib.hasPrefix "holdfast-runner" name) (
      units (drone { })
    );
    stack_of_a_drone =
      let
        host =
          (system (
            enabled (drone {
              database_secret = "rpc";
              settings.DRONE_USER_FILTER = "team";
              runner.labels.role = "host";
            })
          )).config;
        inherit (host.services.holdfast) stacks;
      in
      {
        stack = removeAttrs stacks.drone [ "compose" ];
        inherit (host.services.holdfast) gates;
        templates = lib.mapAttrs (_: one: {
          inherit (one)
            content
            credentials
            install
            restart_units
            ;
        }) host.services.holdfast.templates;
        engine = host.systemd.services.docker.serviceConfig;
        labels = host.systemd.services.holdfast-runner.environment.DRONE_RUNNER_LABELS;
      };
    # What is said of the server once.
    a_drone_that_forge_and_bridge_know =
      let
        host = (system (enabled (wired { }))).config.services.holdfast;
        manifest = import ../../modules/manifest.nix host;
      in
      {
        bridge = manifest.bridge.drone;
        forge = manifest.forge.drone;
        inherit (manifest) gates;
        environment = lib.filterAttrs (
          name: _: lib.hasPrefix "DRONE_WEBHOOK" name
        ) host.stacks.drone.settings.services.server.environment;
        inherit (host.templates.drone_env) content;
      };
    # The one unit that then needs the network, and the one that does not.
    units_with_a_forge =
      lib.getAttrs
        [
          "holdfast-apply.service"
          "holdfast-secrets.service"
        ]
        (
          units (
            secret { }
            // {
              forge.gitea = {
                url = "https://git.example.org";
                admin = {
                  username = "holdfast";
                  password.secret = "token";
                };
              };
            }
          )
        );
    units_that_probe = lib.filterAttrs (name: _: lib.hasPrefix "holdfast-probe" name) (
      units (
        secret { }
        // lib.recursiveUpdate attested {
          probe.calendar = "Mon *-*-* 04:00";
        }
      )
    );
    who_probes =
      lib.mapAttrs (_: settings: (system (enabled settings)).config.systemd.timers ? holdfast-probe)
        {
          no_forge = secret { };
          no_proof = secret { } // hook_at "https://bridge.example.org/hook";
          a_hook = secret { } // attested;
          a_server = wired { runner.proof = null; };
          a_runner = secret { } // {
            gates.builds.runner.repository = "team/hello";
          };
        };
    units_of_two_concerns =
      (nixpkgs.lib.nixosSystem {
        modules = [
          concerns.secrets
          concerns.traefik
          (enabled (secret { }))
        ];
      }).config.rendered;
    units_of_secrets_alone =
      (nixpkgs.lib.nixosSystem {
        modules = [
          concerns.secrets
          (enabled (secret { }))
        ];
      }).config.rendered;
    engine =
      let
        host =
          (system (enabled {
            swarm = {
              advertise = "192.0.2.10";
              listen = "192.0.2.10:2477";
              data_path_port = 4790;
            };
            docker = {
              firewallInterfaces = [ "wg0" ];
              addressPools = [
                {
                  base = "10.20.0.0/16";
                  size = 24;
                }
              ];
            };
          })).config;
      in
      {
        inherit (host.networking) firewall;
        inherit (host.virtualisation.docker) enable liveRestore daemon;
        backup = host.services.holdfast.backup.paths;
      };
    firewall_of_all_interfaces =
      (system (enabled {
        docker.openFirewall = true;
      })).config.networking.firewall;
    ports_of_managers =
      map
        (
          listen:
          builtins.head
            (system (enabled {
              docker.openFirewall = true;
              swarm = {
                inherit listen;
                advertise = "192.0.2.10";
              };
            })).config.networking.firewall.allowedTCPPorts
        )
        [
          "198.51.100.7"
          "198.51.100.7:2378"
          "2001:db8::1"
          "[2001:db8::1]:2379"
          "eth0"
          "eth0:2380"
        ];
    units_around_a_backup = lib.mapAttrs (_: unit: unit.after) (
      lib.getAttrs
        [
          "holdfast-collect"
          "holdfast-probe"
          "restic-backups-web"
        ]
        (system (
          enabled (
            secret { }
            // attested
            // {
              backup.units = [ "restic-backups-web.service" ];
            }
          )
        )).config.systemd.services
    );
    stack_in_the_words_of_nix =
      let
        stack =
          (system (enabled {
            stacks.app = {
              compose = [ "/etc/app.yml" ];
              settings.services.app.image = "registry.example.org/app:1";
            };
          })).config.services.holdfast.stacks.app;
      in
      {
        inherit (stack) compose;
        text = builtins.fromJSON (builtins.toJSON stack.settings);
      };
    drift_with_metrics =
      let
        unit =
          (system (enabled {
            drift.textfile = "/var/lib/prometheus-node-exporter/holdfast.prom";
          })).config.systemd.services.holdfast-drift;
      in
      {
        inherit (unit.serviceConfig) ExecStart ReadWritePaths;
      };
    devices_of_key_plugins = lib.mapAttrs (_: unit: unit.serviceConfig.DevicePolicy) (
      lib.getAttrs
        [
          "holdfast-secrets"
          "holdfast-verify"
        ]
        (system (
          enabled (
            secret { }
            // {
              identities.plugin_folders = [ "/run/current-system/sw/bin" ];
            }
          )
        )).config.systemd.services
    );
    scripts = (system (enabled { })).config.system.activationScripts;
    by_hand =
      let
        inherit ((system (enabled { })).config) environment;
      in
      {
        programs = map (one: one.name) environment.systemPackages;
        manifest = "${environment.etc.holdfast.source}";
        variables = environment.sessionVariables;
      };
    scripts_without_enable = (system { }).config.system.activationScripts;
    units_with_credentials = units (secret {
      credentials = [ "app.service" ];
    });
    units_with_secrets_for_users = units (secret {
      needed_for_users = true;
    });
    script_with_secrets_for_users =
      (system (
        enabled (secret {
          needed_for_users = true;
        })
      )).config.system.activationScripts;
    units_with_secrets_for_users_of_sysusers =
      (system [
        (enabled (secret {
          needed_for_users = true;
        }))
        { systemd.sysusers.enable = true; }
      ]).config.rendered;
    units_of_a_timer_that_is_off =
      (system [
        (enabled { })
        { systemd.timers.holdfast-collect.enable = false; }
      ]).config.rendered;
    nothing_without_enable =
      (system { services.holdfast.swarm.advertise = "192.0.2.10"; }).config.rendered;
    manifest = import ../../modules/manifest.nix (
      removeAttrs (system (enabled (secret { }))).config.services.holdfast [
        "package"
        "manifest"
      ]
    );
    secrets_in_the_words_of_sops_nix =
      let
        holdfast =
          (system (enabled {
            defaultSopsFile = "/etc/secrets/all.yaml";
            secrets = {
              one = {
                restartUnits = [ "app.service" ];
                reloadUnits = [ "web.service" ];
                uid = 1000;
                gid = 100;
                path = "/var/lib/app/one";
              };
              two = {
                sopsFile = "/etc/secrets/two.yaml";
                key = "a/b";
                neededForUsers = true;
              };
              three = {
                file = "/etc/secrets/three.json";
                restart_units = [ "db.service" ];
                owner = "app";
              };
            };
            templates.env = {
              content = "TOKEN={{ one | env }}";
              neededForUsers = false;
            };
          })).config.services.holdfast;
      in
      {
        manifest = {
          inherit (import ../../modules/manifest.nix holdfast) secrets templates;
        };
        places = lib.mapAttrs (_: one: one.file_path) (holdfast.secrets // holdfast.templates);
      };
    files_of_the_checkout_go_to_the_store =
      (import ../../modules/manifest.nix
        (system (enabled {
          stacks.app = {
            compose = [ ../../hosts/demo/app.compose.yml ];
            env.HOST = "app.example.org";
          };
        })).config.services.holdfast
      ).stacks.app;
    # The good twins of what assertions refuse.
    assertions_hold = map (settings: lib.isString (built (enabled settings))) [
      { }
      { docker.openFirewall = true; }
      { docker.firewallInterfaces = [ "wg0" ]; }
      (served "/var/lib/acme/example.org/key.pem")
      { gates.store.store = { }; }
      (drone { })
      (drone { } // hook_at "https://bridge.example.org/hook")
      (wired { })
      (drone { } // hook_at "https://drone.example.org:8787/hook")
    ];
    # What people copy: the units of the template, and of the flake in the README.
    units_of_the_template = lib.attrNames (system ../../templates/host/configuration.nix)
      .config.rendered;
    units_of_the_readme =
      let
        block = builtins.head (
          lib.splitString "```\n" (
            builtins.elemAt (lib.splitString "```nix\n" (builtins.readFile ../../README.md)) 1
          )
        );
        flake = import (
          builtins.toFile "flake.nix" (
            builtins.replaceStrings
              [
                "./web.nix"
                "./app.compose.yml"
              ]
              [
                "{ }"
                "\"/etc/app.compose.yml\""
              ]
              block
          )
        );
        outputs = flake.outputs {
          inherit nixpkgs;
          holdfast.nixosModules.default = holdfast;
        };
      in
      lib.attrNames outputs.nixosConfigurations.web.config.rendered;
    # Every block of every page, as a module of a host of its own.
    how_tos =
      let
        pages = lib.filter (lib.hasSuffix ".md") (lib.attrNames (builtins.readDir ../../docs/how-to));
        blocks =
          page:
          map (part: builtins.head (lib.splitString "```\n" part)) (
            lib.tail (lib.splitString "```nix\n" (builtins.readFile (../../docs/how-to + "/${page}")))
          );
        module =
          text:
          import (
            builtins.toFile "page.nix" (
              builtins.replaceStrings [ "./secrets/web.yaml" ] [ "\"/etc/secrets/web.yaml\"" ] text
            )
          );
        shown =
          text:
          let
            inherit
              (system [
                { networking.hostName = "web"; }
                (module text)
              ])
              config
              ;
          in
          {
            inherit (config.networking) firewall;
            manifest = lib.filterAttrs (_: value: value != { } && value != [ ]) (
              import ../../modules/manifest.nix (
                removeAttrs config.services.holdfast [
                  "package"
                  "manifest"
                ]
              )
            );
          };
      in
      lib.filterAttrs (_: shown: shown != [ ]) (lib.genAttrs pages (page: map shown (blocks page)));
    docker_is_on = (system (enabled { })).config.virtualisation.docker.enable;

    merging = {
      lists = merged (lib.types.listOf lib.types.int) [
        [ 1 ]
        [
          2
          (lib.mkIf false 3)
        ]
        (lib.mkIf true [ 4 ])
        (lib.mkMerge [
          [ 5 ]
          [ 6 ]
        ])
      ];
      imports =
        (nixpkgs.lib.evalModules {
          modules = [
            { options.x = lib.mkOption { type = lib.types.lines; }; }
            {
              imports = [
                {
                  imports = [ { x = "within within"; } ];
                  x = "within";
                }
                { x = "beside"; }
              ];
              x = "first";
            }
            { x = "second"; }
            { x = lib.mkBefore "before"; }
          ];
        }).config.x;
      lines = merged lib.types.lines [
        "one"
        "two"
      ];
      priorities = merged lib.types.str [
        (lib.mkDefault "least")
        "usual"
        (lib.mkForce "most")
      ];
      names = merged (lib.types.attrsOf lib.types.int) [
        { a = 1; }
        {
          b = lib.mkIf false 2;
          c = lib.mkForce 3;
        }
        { c = 4; }
      ];
      either = merged (lib.types.either lib.types.int (lib.types.listOf lib.types.str)) [
        [ "a" ]
        [ "b" ]
      ];
      none = merged (lib.types.attrsOf lib.types.int) [ ];
      function = merged (lib.types.functionTo lib.types.str) [ (name: "of ${name}") ] "it";
      submodule =
        merged
          (lib.types.attrsOf (
            lib.types.submodule (
              { name, ... }:
              {
                freeformType = lib.types.attrsOf lib.types.int;
                options.title = option lib.types.str name;
              }
            )
          ))
          [
            { a.more = 1; }
            { a.title = lib.mkForce "b"; }
            { c = { }; }
          ];
    };
    renamed =
      let
        evaluated = nixpkgs.lib.evalModules {
          modules = [
            {
              options.warnings = option (lib.types.listOf lib.types.str) [ ];
              options.to = option lib.types.int 0;
              imports = [ (lib.mkRenamedOptionModule [ "from" ] [ "to" ]) ];
              config.from = 3;
            }
          ];
        };
      in
      evaluated.config.to;
  };

  bad = {
    a_word_for_a_switch = refused "option `services.holdfast.enable' is not of type `boolean'" (units {
      enable = "yes";
    });
    an_unknown_option = refused "The option `services.holdfast.swarms' does not exist" (units {
      swarms = { };
    });
    a_function_in_a_section = refused "option `services.holdfast.swarm" (units {
      swarm.labels = _: { };
    });
    a_manifest_of_ones_own =
      refused "The option `services.holdfast.manifest' is read-only, but it's set multiple times"
        (units {
          manifest = builtins.toFile "manifest.json" "{}";
        });
    an_unknown_field_of_a_secret =
      refused "The option `services.holdfast.secrets.token.fil' does not exist"
        (units {
          secrets.token.fil = "/etc/secrets/web.yaml";
        });
    a_secret_without_a_file =
      refused "The option `services.holdfast.secrets.token.file' was accessed but has no value defined"
        (units {
          secrets.token = { };
        });
    a_private_key_in_the_store =
      refused "is not of type `absolute path outside of the Nix store, which everybody can read'"
        (units {
          identities.age_key_files = [ "${builtins.storeDir}/00000000000000000000000000000000-key.txt" ];
        });
    a_private_key_of_the_checkout = refused "is not of type `absolute path outside" (units {
      identities.ssh_key_files = [ ./cases.nix ];
    });
    a_mode_that_is_none = refused "is not of type `null or one of \"strict\", \"compat\"'" (units {
      stacks.app = {
        compose = [ ];
        mode = "loose";
      };
    });
    a_percentage_that_is_none = refused "integer between 0 and" (units {
      gates.page.certificate = {
        name = "app.example.org";
        min_lifetime_percent = 300;
      };
    });
    an_unknown_option_of_the_system =
      refused "The option `virtualisation.holdfast' does not exist"
        (system {
          virtualisation.holdfast = { };
        }).config.rendered;
    a_port_that_is_none =
      refused "is not of type `16 bit unsigned integer"
        (alone { x = option lib.types.port 1; } { x = 70000; }).x;
    a_port_that_is_a_word = refused "is not of type" (
      (system { networking.firewall.allowedTCPPorts = [ "https" ]; })
      .config.networking.firewall.allowedTCPPorts
    );
    a_unit_without_its_kind = refused "is not of type" (
      (system { systemd.services.a.after = [ "docker" ]; }).config.rendered
    );
    two_values = refused "conflicting definition values" (
      merged lib.types.str [
        "a"
        "b"
      ]
    );
    two_users_of_a_unit = refused "conflicting definition values" (
      (system [
        { systemd.services.a.serviceConfig.User = "a"; }
        { systemd.services.a.serviceConfig.User = "b"; }
      ]).config.rendered
    );
    an_engine_that_is_off = refused "Set `virtualisation.docker.enable = true;`" (built [
      (enabled { })
      { virtualisation.docker.enable = false; }
    ]);
    an_engine_with_live_restore = refused "Set `virtualisation.docker.liveRestore = false;`" (built [
      (enabled { })
      { virtualisation.docker.liveRestore = true; }
    ]);
    an_engine_whose_own_settings_have_live_restore =
      refused "leave `live-restore` out of `virtualisation.docker.daemon.settings`"
        (built [
          (enabled { })
          { virtualisation.docker.daemon.settings.live-restore = true; }
        ]);
    a_firewall_that_is_open_twice = refused "Set `services.holdfast.docker.openFirewall = false;`" (
      built (enabled {
        docker = {
          openFirewall = true;
          firewallInterfaces = [ "wg0" ];
        };
      })
    );
    a_gate_that_asks_nix_which_is_off = refused "Set `nix.enable = true;`" (built [
      (enabled { gates.store.store = { }; })
      { nix.enable = false; }
    ]);
    a_certificate_key_of_the_checkout = refused "Set `key.secret = \"NAME\";`" (
      built (enabled (served ./cases.nix))
    );
    a_certificate_key_in_the_store = refused "Set `key.secret = \"NAME\";`" (
      built (enabled (served "${builtins.storeDir}/00000000000000000000000000000000-key.pem"))
    );
    a_runner_for_everybody =
      refused "Set `services.holdfast.drone.runner.limit_repos = [ \"OWNER/NAME\" ];`"
        (
          built (
            enabled (drone {
              runner.limit_repos = [ ];
            })
          )
        );
    a_runner_for_every_event =
      refused "Set `services.holdfast.drone.runner.limit_events = [ \"custom\" ];`"
        (
          built (
            enabled (drone {
              runner.limit_events = [ ];
            })
          )
        );
    a_runner_without_its_secret =
      refused "Set `services.holdfast.secrets.nobody.file = ./secrets/ci.yaml;`"
        (
          built (
            enabled (drone {
              enable = false;
              rpc_secret = "nobody";
            })
          )
        );
    a_runner_that_is_proven_by_what_it_refuses =
      refused "Set `services.holdfast.drone.runner.limit_repos = [ \"team/hello\" ];`"
        (
          built (
            enabled (drone {
              runner.proof = "team/hello";
            })
          )
        );
    a_drone_that_calls_itself =
      refused "is the container itself. Set `services.holdfast.bridge.listen`"
        (
          built (
            enabled (wired {
              webhook.url = "http://127.0.0.1:8787/drone";
            })
          )
        );
    a_runner_with_the_engine = refused "Take `holdfast-runner` out of the group `docker`" (built [
      (enabled (drone { }))
      { users.users.holdfast-runner.extraGroups = [ "docker" ]; }
    ]);
    a_runner_among_those_of_the_engine =
      refused "Take `holdfast-runner` out of the group `docker`"
        (built [
          (enabled (drone { }))
          { users.groups.docker.members = [ "holdfast-runner" ]; }
        ]);
    a_drone_without_its_secret =
      refused "names secrets that are not declared: nobody. Set `services.holdfast.secrets.nobody.file"
        (
          built (
            enabled (drone {
              cookie_secret = "nobody";
            })
          )
        );
    a_drone_without_an_rpc_secret = refused "services.holdfast.drone.rpc_secret" (
      built (
        enabled (
          removeAttrs (drone { }) [ "drone" ]
          // {
            drone = removeAttrs (drone { }).drone [ "rpc_secret" ];
          }
        )
      )
    );
    a_secret_for_everybody_to_see = refused "has what should be secret: DRONE_RPC_SECRET" (
      built (
        enabled (drone {
          settings.DRONE_RPC_SECRET = "correcthorse";
        })
      )
    );
    a_drone_that_prints_over_several_lines =
      refused "has what the module sets itself: DRONE_LOGS_PRETTY"
        (
          built (
            enabled (drone {
              settings.DRONE_LOGS_PRETTY = "true";
            })
          )
        );
    a_hook_that_drone_removes = refused "Drone removes webhooks that lead to its own name" (
      built (enabled (drone { } // hook_at "https://drone.example.org/hook"))
    );
    a_backup_by_no_service = refused "services.holdfast.backup.units" (units {
      backup.units = [ "restic.timer" ];
    });
    a_pool_without_a_size = refused "size' was accessed but has no value defined" (
      (system (enabled {
        docker.addressPools = [ { base = "10.20.0.0/16"; } ];
      })).config.virtualisation.docker.daemon.settings
    );
    metrics_under_another_name = refused "services.holdfast.drift.textfile" (units {
      drift.textfile = "/var/lib/metrics.txt";
    });
    no_value = refused "was accessed but has no value defined" (merged lib.types.str [ ]);
    an_assertion = refused "the words of an assertion" (
      (system {
        assertions = [
          {
            assertion = false;
            message = "the words of an assertion";
          }
        ];
      }).config.system.build.toplevel.drvPath
    );
    a_removed_option = refused "no longer has any effect" (
      (system {
        imports = [ (lib.mkRemovedOptionModule [ "old" ] "Use the new one.") ];
        old = 1;
      }).config.system.build.toplevel.drvPath
    );
  };
}
