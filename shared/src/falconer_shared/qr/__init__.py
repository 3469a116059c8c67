"""QR codes, drawn and read.

`draw` and `show` run in the programs (they import segno alone, and draw only what we made). Reading parses
pictures from outside with large native libraries, so it happens in a process of its own: `worker` is that
process, `scan` what it does, and `client` the bounded conversation with it. Starting the process is each
program's business; nothing here can.
"""
