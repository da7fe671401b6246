"""Boards: their limits, and synthesis of a build for them."""
