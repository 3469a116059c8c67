"""The coordinator: builds, collects, verifies and broadcasts. It never holds a Bitcoin private key."""
