"""Output descriptors (BIP 380 and its family): text, tree, and the scripts and witnesses that follow from
them.
"""
