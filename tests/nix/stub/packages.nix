# Packages that are real derivations of the system's own programs: what is built with them is really built.
{ lib }:
system:
let
  build =
    name: more: script:
    let
      drv = derivation (
        {
          inherit name system;
          builder = "/bin/bash";
          # A builder whose stdout closes before it ends may be killed, so something is run last.
          args = [
            "-euc"
            "shopt -s nullglob\n${script}\nexit 0"
          ];
          PATH = "/usr/bin:/bin:/usr/sbin:/sbin";
          preferLocalBuild = true;
        }
        // more
      );
    in
    drv
    // {
      pname = name;
      version = more.version or "0";
      meta.mainProgram = name;
      out = drv;
      bin = drv;
      lib = drv;
      passthru = { };
      overrideAttrs = _: drv;
    };
  programs =
    package: names:
    build package { } ''
      mkdir -p $out/bin
      for name in ${toString names}; do
        for folder in /usr/bin /usr/sbin /bin; do
          if [ -x $folder/$name ] && [ ! -e $out/bin/$name ]; then ln -s $folder/$name $out/bin/$name; fi
        done
      done'';
  program = name: more: programs name [ name ] // more;
  plain = lib.genAttrs [
    "age"
    "bash"
    "busybox"
    "cargo"
    "clippy"
    "coreutils"
    "curl"
    "docker"
    "drone"
    "drone-runner-exec"
    "git"
    "gnugrep"
    "gnused"
    "go-httpbin"
    "jq"
    "openssh"
    "openssl"
    "rustfmt"
    "sops"
    "traefik"
  ] (name: program name { });
  written =
    name: text:
    build name {
      inherit text;
      passAsFile = [ "text" ];
    };
  executable = name: body: written name body "cp $textPath $out\nchmod +x $out";
  writeShellScriptBin =
    name: body:
    written name "#!/bin/bash\n${body}"
      "mkdir -p $out/bin\ncp $textPath $out/bin/${name}\nchmod +x $out/bin/${name}";
  json_type =
    lib.types.nullOr (
      lib.types.oneOf [
        lib.types.bool
        lib.types.int
        lib.types.float
        lib.types.str
        lib.types.path
        (lib.types.attrsOf json_type)
        (lib.types.listOf json_type)
      ]
    )
    // {
      description = "JSON value";
    };
in
plain
// {
  nix = programs "nix" [
    "nix"
    "nix-store"
  ];
  systemd = programs "systemd" [ "systemctl" ];
  util-linux = programs "util-linux" [
    "mount"
    "setpriv"
    "unshare"
  ];

  inherit lib system;
  stdenv = {
    hostPlatform = lib.systems.elaborate system;
    shell = "/bin/bash";
  };
  runtimeShell = "/bin/bash";
  path = throw "there is no nixpkgs here";

  runCommand = name: build name;
  runCommandLocal = name: build name;
  writeText = name: text: written name text "cp $textPath $out";
  writeShellScript = name: body: executable name "#!/bin/bash\n${body}";
  inherit writeShellScriptBin;
  writeShellApplication =
    {
      name,
      text,
      runtimeInputs ? [ ],
      ...
    }:
    writeShellScriptBin name ''
      set -o errexit -o nounset -o pipefail
      export PATH="${lib.makeBinPath runtimeInputs}:$PATH"
      ${text}
    '';
  linkFarm =
    name: links:
    build name { } (
      "mkdir -p $out\n"
      + lib.concatMapStrings (link: "ln -s ${link.path} $out/${lib.escapeShellArg link.name}\n") links
    );
  symlinkJoin =
    {
      name,
      paths,
      ...
    }:
    build name { } (
      "mkdir -p $out\n"
      + lib.concatMapStrings (path: "cp -rsf --no-preserve=mode ${path}/. $out/\n") paths
    );
  mkShell = more: build "shell" { } "mkdir -p $out" // { inputs = more; };
  # Where `HOLDFAST_BIN` names the program it is that, else one that says what it is not.
  rustPlatform.buildRustPackage =
    {
      pname,
      version,
      ...
    }:
    let
      built = builtins.getEnv "HOLDFAST_BIN";
    in
    build pname { inherit version; } (
      "mkdir -p $out/bin\n"
      + (
        if built == "" then
          "printf '#!/bin/sh\\necho \"the stand-in for %s\" >&2\\n[ $# -lt 4 ] || mkdir -p \"$4\"\\n' ${pname} >$out/bin/${pname}\nchmod +x $out/bin/${pname}"
        else
          "ln -s ${built} $out/bin/${pname}"
      )
    );
  # A real archive, of the links alone: the programs behind them may not be on this machine.
  dockerTools.buildLayeredImage =
    {
      name,
      tag ? "latest",
      contents ? [ ],
      config ? { },
      ...
    }:
    build "${name}.tar"
      {
        inherit contents;
        description = builtins.toJSON {
          inherit config;
          architecture = "amd64";
          os = "linux";
          tag = "${name}:${tag}";
        };
        passAsFile = [ "description" ];
      }
      ''
        mkdir -p layer/bin image
        for one in $contents; do for file in $one/bin/*; do cp -P $file layer/bin/; done; done
        tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C layer -cf image/layer.tar .
        python3 - $descriptionPath <<'PYTHON'
        import hashlib, json, sys
        told = json.load(open(sys.argv[1]))
        tag = told.pop("tag")
        layer = hashlib.sha256(open("image/layer.tar", "rb").read()).hexdigest()
        told["rootfs"] = {"type": "layers", "diff_ids": ["sha256:" + layer]}
        json.dump(told, open("image/config.json", "w"))
        json.dump([{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}], open("image/manifest.json", "w"))
        PYTHON
        tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C image -cf $out .
      '';
  nixfmt-tree = program "nixfmt" { };

  formats.json = _: {
    type = json_type;
    generate = name: value: written name (builtins.toJSON value) "cp $textPath $out";
  };

}
