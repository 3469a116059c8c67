"""Bitcoin's own formats and arithmetic. Cannot sign."""
