"""The lock's core on CPython; what must run on the chip's own runtime is run there too."""
