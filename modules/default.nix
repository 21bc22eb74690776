# services.holdfast: options → one manifest, compiled and checked in the build → units that apply and prove it.
arguments: (import ./concerns.nix arguments).default
