"""Properties that hold for every parser and for the whole judgement."""
