"""Types of the UR registry (BCR-2020-006) as ours: a PSBT, a descriptor's text, a key expression, an account.

`types.TYPES` lists them. Each is read and written as deterministic CBOR; what arrives is text or bytes, to be
judged by whoever takes it.
"""
