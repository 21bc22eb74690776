# A gate that fails makes the switch exit with 4, when it is new and when nothing changed.
{
  nodes.machine.specialisation.closed.configuration.services.holdfast.gates.answers.tcp.address =
    "192.168.1.1:8081";
  testScript = ''
    machine.wait_for_unit("multi-user.target")
    machine.wait_for_open_port(8080, addr="192.168.1.1")
    closed = machine.succeed("readlink -f /run/current-system/specialisation/closed").strip()
    for attempt in ["a changed manifest", "an unchanged manifest"]:
        with subtest(attempt):
            status, said = machine.execute(f"{closed}/bin/switch-to-configuration test 2>&1")
            assert status == 4, f"{status}: {said}"
            assert "holdfast-verify.service" in said, said
            machine.succeed("journalctl -b -u holdfast-verify.service | grep gate.answers")
  '';
}
