"""What the coordinator remembers: one SQLite file, every change in one transaction with its audit record."""
