"""Pictures: where they are, how they are opened safely, how they become arrays."""
