"""The air gap crossed with codes, in both programs alike: a payload shown or written, a payload collected.

Puts `transport` (what codes say) and `qr` (how they look) together. Files, cameras, terminals and clocks are
each program's own and come in as `Hands` or as functions.
"""
