# Who changes a service by hand is found out.
{
  nodes.machine = { };
  testScript = ''
    machine.wait_for_unit("multi-user.target")
    machine.succeed("systemctl start holdfast-drift.service")
    machine.succeed("docker service update --detach --env-add BY=hand app_app")
    machine.fail("systemctl start holdfast-drift.service")
    machine.succeed("systemctl list-timers | grep holdfast-drift")
  '';
}
