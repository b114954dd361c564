"""The artefact that encodes pictures and texts: one folder with everything it needs."""
