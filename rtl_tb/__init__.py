"""Simulation: how Verilator is built and run, a bench a module, whole networks."""
