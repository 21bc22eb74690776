# A switch that changes nothing runs every unit again, writes nothing, and leaves the container alone.
{
  nodes.machine = { };
  testScript = ''
    machine.wait_for_unit("multi-user.target")
    machine.wait_for_open_port(8080, addr="192.168.1.1")
    switch = "/run/current-system/bin/switch-to-configuration test"
    before = machine.succeed("docker ps -q --no-trunc")
    runs = machine.succeed("systemctl show -P InvocationID holdfast-apply.service holdfast-verify.service")
    machine.succeed(switch)
    with subtest("the units ran again"):
        again = machine.succeed("systemctl show -P InvocationID holdfast-apply.service holdfast-verify.service")
        assert runs != again, again
    with subtest("nothing was written"):
        machine.succeed("journalctl -b -u holdfast-apply.service | grep '0 writes to the engine'")
        after = machine.succeed("docker ps -q --no-trunc")
        assert before == after, f"{before} {after}"
  '';
}
