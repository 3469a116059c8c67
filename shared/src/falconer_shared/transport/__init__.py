"""Texts that cross the air gap in QR codes: dialects, the receiver that takes them all, and the sender of UR.

Knows nothing of what a payload means. What arrives is bytes with a kind and a digest, and is judged
elsewhere.
"""
