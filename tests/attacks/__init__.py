"""Every attack of the catalogue, tried: a valid thing passes, and the same thing with one mutation is refused by name."""
