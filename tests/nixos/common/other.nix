# A second stack, for tests in which the first one changes.
{
  services.holdfast.stacks.other = {
    images.other = "app";
    settings.services.other = {
      image = "holdfast.invalid/app";
      deploy.endpoint_mode = "dnsrr";
    };
  };
}
