"""The command line: what people and scripts type, and what they read. Decisions are made elsewhere."""
