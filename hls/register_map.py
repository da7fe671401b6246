"""The register map as literals, for the driver. Generated from registers.toml."""

# name: (offset, access, reset, {field: (lowest bit, width)})
REGISTERS = {
    "ID": (0x000, "ro", 0x5A464952, {}),
    "VERSION": (0x004, "ro", 0x00010000, {}),
    "STATUS": (0x008, "rw", 0x00000000, {"running": (0, 1), "refused": (1, 1)}),
    "MEMORIES": (0x040, "ro", 0x00000000, {}),
    "SELECT": (0x044, "rw", 0x00000000, {}),
    "DATA": (0x048, "wo", 0x00000000, {}),
    "MEMORY": (0x04C, "ro", 0x00000000, {"loaded": (0, 1), "signed": (1, 1)}),
    "SIGNATURE": (0x050, "ro", 0x00000000, {}),
}
