"""What tests, the demo and scripts/node share. `bitcoind` and `node` run without .venv."""
