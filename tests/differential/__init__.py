"""Our core beside three libraries that share no code with it: libwally, rust-bitcoin (through bdkpython) and embit."""
