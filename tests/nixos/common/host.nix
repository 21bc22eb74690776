# Every node of a test: a swarm of one, and a stack of one service whose image comes from the store, as tests have no network.
{ pkgs, lib, ... }:
{
  virtualisation = {
    cores = 2;
    diskSize = 4096;
    memorySize = 2048;
  };

  services.holdfast = {
    enable = true;
    swarm.advertise = "192.168.1.1";
    images.app.archive = "${pkgs.dockerTools.buildLayeredImage {
      name = "app";
      contents = [ pkgs.busybox ];
      config.Cmd = [
        "httpd"
        "-f"
        "-p"
        "8080"
      ];
    }}";
    stacks.app = {
      images.app = "app";
      settings.services.app = {
        image = "holdfast.invalid/app";
        ports = lib.mkDefault [
          {
            target = 8080;
            published = 8080;
            mode = "host";
          }
        ];
        deploy.endpoint_mode = "dnsrr";
      };
    };
    gates.answers.tcp.address = lib.mkDefault "192.168.1.1:8080";
  };
}
