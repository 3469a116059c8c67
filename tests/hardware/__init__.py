"""Hardware wallets: recorded firmware, devices that lie, and a device that is there (docs/hardware.md)."""
