"""Bytes and their spellings: bounded reading, base58check, bech32."""
