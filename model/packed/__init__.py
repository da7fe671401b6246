"""Models as small files: Huffman-coded weights, their report, and the reader that stands alone."""
