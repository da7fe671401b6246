"""What `zynqfire.model.train` is made of: recipe, stages, the loop and what it calls."""
