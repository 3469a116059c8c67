"""The audit log: records that can be added to and never changed without anybody seeing it."""
