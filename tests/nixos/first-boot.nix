# From nothing: a boot makes the swarm and the stack, and every unit of Holdfast ends well.
{
  nodes.machine = { };
  testScript = ''
    machine.wait_for_unit("multi-user.target")
    with subtest("the stack answers"):
        machine.wait_for_open_port(8080, addr="192.168.1.1")
    with subtest("every unit ended well"):
        for unit in ["holdfast-apply", "holdfast-stack-app", "holdfast-verify"]:
            result = machine.succeed(f"systemctl show -P Result {unit}.service").strip()
            assert result == "success", f"{unit}: {result}"
    with subtest("the generation is proven"):
        machine.succeed("holdfast rollback --list | grep proven")
  '';
}
