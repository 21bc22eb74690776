# `dry-activate` prints the plan of the stacks, and does nothing.
{
  nodes.machine.specialisation.changed.configuration.services.holdfast.stacks.app.settings.services.app.environment.A =
    "b";
  testScript = ''
    machine.wait_for_unit("multi-user.target")
    before = machine.succeed("docker ps -q --no-trunc")
    said = machine.succeed("/run/current-system/specialisation/changed/bin/switch-to-configuration dry-activate 2>&1")
    assert "stack.app/service.app" in said, said
    assert machine.succeed("docker ps -q --no-trunc") == before, "dry-activate changed something"
  '';
}
