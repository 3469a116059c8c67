"""The signer: runs where there is no network, and treats all that crosses the gap as hostile."""

VERSION = "0.1.0"

PROGRAM = f"falconer-offline-{VERSION}"
"""How receipts name the program that judged."""
