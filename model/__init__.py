"""Networks: description, data, training, export and cost."""

import os
import warnings

# PyTorch's threads spin while they wait for each other. Where other programs want the same cores,
# that makes training fifteen times slower; asleep they cost nothing. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Brevitas says at import that an optional GPU kernel is absent; nothing here uses it.
warnings.filterwarnings("ignore", message="fast_hadamard_transform", category=UserWarning)
