"""What tests, the demo and scripts/node share. Standard library only, so that it runs without .venv."""
