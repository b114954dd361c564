"""How the embedded default model was made, and how users make their own."""
