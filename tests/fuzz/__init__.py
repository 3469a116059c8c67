"""Fuzzing: a target for each parser of untrusted input, run by atheris (libFuzzer), and in the suite without it."""
