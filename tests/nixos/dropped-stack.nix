# A stack that leaves the manifest is removed; switching the module off leaves the rest running, and says how to remove it.
{
  nodes.machine =
    { lib, ... }:
    {
      imports = [ ./common/other.nix ];
      specialisation = {
        dropped.configuration.services.holdfast.stacks = lib.mkForce {
          app.compose = [
            "${builtins.toFile "app.yml" "services: {app: {image: holdfast.invalid/app, deploy: {endpoint_mode: dnsrr}}}"}"
          ];
          app.images.app = "app";
        };
        off.configuration.services.holdfast.enable = lib.mkForce false;
      };
    };
  testScript = ''
    machine.wait_for_unit("multi-user.target")
    base = machine.succeed("readlink -f /run/current-system").strip()
    with subtest("what left is removed"):
        machine.execute(f"{base}/specialisation/dropped/bin/switch-to-configuration test")
        machine.fail("docker service ls --format '{{.Name}}' | grep -x other_other")
    with subtest("the rest goes on without the module"):
        status, said = machine.execute(f"{base}/specialisation/off/bin/switch-to-configuration test 2>&1")
        assert "holdfast destroy" in said, f"{status}: {said}"
        machine.succeed("docker service ls --format '{{.Name}}' | grep -x app_app")
  '';
}
