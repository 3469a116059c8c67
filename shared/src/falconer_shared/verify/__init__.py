"""From untrusted PSBT to `VerifiedTransaction`, and from untrusted answer to `SignatureVerifiedPsbt`."""
