"""Bitcoin private keys: made, sealed, opened, derived and used to sign, here alone."""
