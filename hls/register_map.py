"""The register map as literals, for the driver. Generated from registers.toml."""

# name: (offset, access, reset, {field: (lowest bit, width)})
REGISTERS = {
    "ID": (0x000, "ro", 0x5A464952, {}),
    "VERSION": (0x004, "ro", 0x00010001, {}),
    "STATUS": (0x008, "rw", 0x00000000, {"running": (0, 1), "refused": (1, 1), "draining": (2, 1)}),
    "CONTROL": (
        0x00C,
        "rw",
        0x00000000,
        {"reset": (0, 1), "abort": (1, 1), "lines": (2, 1), "live": (3, 1)},
    ),
    "NETWORK": (0x010, "ro", 0x00000000, {}),
    "INPUT_BYTES": (0x014, "ro", 0x00000000, {}),
    "OUTPUT_BYTES": (0x018, "ro", 0x00000000, {}),
    "PORTS": (0x01C, "ro", 0x00000000, {"in_bytes": (0, 8), "out_bytes": (8, 8)}),
    "PACKET": (0x020, "rw", 0x00000001, {}),
    "FRAMES_IN": (0x024, "ro", 0x00000000, {}),
    "FRAMES_OUT": (0x028, "ro", 0x00000000, {}),
    "LATENCY": (0x02C, "ro", 0x00000000, {}),
    "INTERVAL": (0x030, "ro", 0x00000000, {}),
    "INPUT_STALLS": (0x034, "ro", 0x00000000, {}),
    "OUTPUT_STALLS": (0x038, "ro", 0x00000000, {}),
    "ERRORS": (
        0x03C,
        "rw",
        0x00000000,
        {"short": (0, 1), "long": (1, 1), "keep": (2, 1), "overrun": (3, 1)},
    ),
    "MEMORIES": (0x040, "ro", 0x00000000, {}),
    "SELECT": (0x044, "rw", 0x00000000, {}),
    "DATA": (0x048, "wo", 0x00000000, {}),
    "MEMORY": (0x04C, "ro", 0x00000000, {"loaded": (0, 1), "signed": (1, 1)}),
    "SIGNATURE": (0x050, "ro", 0x00000000, {}),
    "BAD_FRAME": (0x054, "ro", 0x00000000, {}),
    "INTERRUPT": (0x058, "rw", 0x00000000, {"packet": (0, 1), "error": (1, 1)}),
    "INTERRUPT_ENABLE": (0x05C, "rw", 0x00000000, {"packet": (0, 1), "error": (1, 1)}),
}
