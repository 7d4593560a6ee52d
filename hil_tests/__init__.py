"""One suite, two benches: virtual locks and real ones."""
