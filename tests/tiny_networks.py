"""Tiny networks of the kinds of modules that the zoo has, for the model stage and the RTL."""

SQUEEZENEXT = """
input = 15
classes = 5
batch_norm = true

[modules]
conv1 = { channels = 8, stride = 2, pad = 0 }
stage2 = { kind = "squeezenext", channels = 16, blocks = 2, stride = 2, groups = 2 }
conv3 = { channels = 12, kernel = 1 }
pool = { kind = "average" }
fc = { bias = false }
"""
SEPARABLE = """
input = 16
classes = 5
batch_norm = true

[modules]
conv1 = { channels = 8, stride = 2 }
separable2 = { channels = 12 }
separable3 = { channels = 16, stride = 2 }
pool = { kind = "average" }
fc = {}
"""
BYPASSES = """
input = 8
classes = 5

[modules]
conv1 = { channels = 8 }
conv2 = { channels = 12, kernel = 5, stride = 2, groups = 4 }
fire3 = { squeeze = 4, expand1 = 8, expand3 = 8, bypass = true }
fire4 = { squeeze = 4, expand1 = 8, expand3 = 8, bypass = true }
conv5 = { kernel = 1 }
pool = { kind = "average" }
"""
TINY = {"squeezenext": SQUEEZENEXT, "separable": SEPARABLE, "bypasses": BYPASSES}
