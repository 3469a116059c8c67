"""Hardware wallets: signers behind the same gate as the keys of this machine.

A device knows no policy, no approval and no limit. All of that is judged here first; what passed is put before the
device in a PSBT of our own making, and of its answer only signatures are taken, each verified (`request.py`,
`answer.py`). The library that speaks to devices is imported in a process of its own alone (`driver.py`); this side
believes no word of it (`client.py`, `wire.py`).
"""
