"""The policy of a wallet: its signed text, its rules, and the one engine that judges by it."""
