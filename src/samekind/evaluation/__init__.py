"""How good a retriever is: protocols, metrics, reports."""
