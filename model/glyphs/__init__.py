"""The data set ``glyphs``: pictures of characters, drawn from installed typefaces."""
