"""Networks: description, data, training, export and cost."""
