# A stack that changes restarts; another one keeps its containers.
{
  nodes.machine =
    { lib, ... }:
    {
      imports = [ ./common/other.nix ];
      specialisation.changed.configuration.services.holdfast.stacks.app.settings.services.app.environment.A =
        lib.mkForce "b";
    };
  testScript = ''
    machine.wait_for_unit("multi-user.target")
    ids = "docker ps -q --no-trunc --filter label=com.docker.stack.namespace="
    app, other = machine.succeed(ids + "app"), machine.succeed(ids + "other")
    machine.succeed("/run/current-system/specialisation/changed/bin/switch-to-configuration test")
    assert machine.succeed(ids + "other") == other, "the other stack was touched"
    assert machine.succeed(ids + "app") != app, "the stack was not changed"
  '';
}
