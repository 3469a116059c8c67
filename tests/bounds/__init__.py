"""The worst that two megabytes can do, under limits that the kernel keeps (DESIGN 7)."""
