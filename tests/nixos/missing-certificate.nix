# A certificate file that is not there fails the switch, and says which.
{
  nodes.machine =
    { pkgs, ... }:
    {
      services.holdfast = {
        networks.proxy.attachable = true;
        images.traefik.archive = "${pkgs.dockerTools.buildLayeredImage {
          name = "traefik";
          contents = [ pkgs.traefik ];
        }}";
        traefik = {
          image = "traefik";
          proxy_image = "traefik";
          certificates = [
            {
              chain.file = "/var/lib/acme/example.org/fullchain.pem";
              key.file = "/var/lib/acme/example.org/key.pem";
            }
          ];
        };
      };
    };
  testScript = ''
    machine.wait_for_unit("multi-user.target")
    status, said = machine.execute("/run/current-system/bin/switch-to-configuration test 2>&1")
    assert status == 4, f"{status}: {said}"
    machine.succeed("journalctl -b -u holdfast-apply.service | grep /var/lib/acme/example.org/fullchain.pem")
  '';
}
