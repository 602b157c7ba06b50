"""One thin file per command: it reads what the user wrote, and leaves the work to `operations` and below."""
