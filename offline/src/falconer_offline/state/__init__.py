"""What the signer remembers: wallets, policies, keys, journal, receipts. One SQLite file whose root the
machine key signs.
"""
