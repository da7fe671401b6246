"""Networks: description, data, training, export and cost."""

import warnings

# Brevitas says at import that an optional GPU kernel is absent; nothing here uses it.
warnings.filterwarnings("ignore", message="fast_hadamard_transform", category=UserWarning)
