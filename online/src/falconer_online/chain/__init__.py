"""The node: what we ask it (`node`), and how Bitcoin Core and Knots are asked (`core`, `rpc`). Nothing it
says is believed.
"""
