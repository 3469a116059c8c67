"""What crosses the gap: requests one way, receipts and signatures the other (docs/formats.md)."""
