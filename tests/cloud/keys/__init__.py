"""The life of keys: asked for, issued, delivered, handed over, withdrawn."""
