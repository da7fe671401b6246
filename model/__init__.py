"""Networks: description, data, training, export and cost."""

import os

# PyTorch's threads spin while they wait for each other. Where other programs want the same cores,
# that makes training fifteen times slower; asleep they cost nothing. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
