"""What people agree to: the intent, and who signed it."""
