"""An ArmoniK cluster on a loopback port, to test and develop against the real protocol."""
