"""What `kannuki gateway check` looks at, one module for each kind of thing. They change nothing."""
