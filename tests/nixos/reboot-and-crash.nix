# A reboot converges, and so does a boot after the power was cut.
{
  nodes.machine = { };
  testScript = ''
    machine.wait_for_unit("multi-user.target")
    with subtest("a reboot"):
        machine.shutdown()
        machine.start()
        machine.wait_for_unit("multi-user.target")
        machine.wait_for_open_port(8080, addr="192.168.1.1")
    with subtest("a power cut in the middle of an apply"):
        machine.succeed("docker service rm app_app")
        machine.execute("systemctl start --no-block holdfast-apply.service")
        machine.crash()
        machine.start()
        machine.wait_for_unit("multi-user.target")
        machine.wait_for_open_port(8080, addr="192.168.1.1")
        machine.succeed("systemctl show -P Result holdfast-verify.service | grep -x success")
  '';
}
