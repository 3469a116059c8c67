"""Partially signed Bitcoin transactions (BIP 174, 370, 371, 373, 375): bytes to `UntrustedPsbt` and back to
the same bytes.

Everything here is about form. A PSBT that parses is well-formed and nothing more: what it claims is judged in
`verify`.
"""
