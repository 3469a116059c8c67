"""Falconer's verification core: what both programs, the connected and the air-gapped one, rely on.

Nothing in here opens a socket, starts a process, reads a clock or touches a private key. Bytes go in, types
that prove something come out, and every refusal is one of the errors of `errors.py` with a stable rule id.
"""

__version__ = "0.1.0"
