"""A wallet that people registered, and what belongs to it."""
