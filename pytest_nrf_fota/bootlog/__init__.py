"""Boot logs: the catalogue of lines and what is read from them."""
