"""The signer: runs where there is no network, and treats all that crosses the gap as hostile."""
