"""Long campaigns: resumable commands with a seed and a ledger of what was run and found (docs/campaigns.md)."""
