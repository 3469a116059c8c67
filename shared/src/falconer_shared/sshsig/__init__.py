"""SSH signatures: the one kind of signature in Falconer that is not a Bitcoin signature.

Keys and signatures are read strictly (one spelling, nothing trailing) and checked; private keys never come near: who signs hands
in a function that signs. What is made here is what stock `ssh-keygen -Y verify` accepts, and the other way round.
"""
