"""One file for each way to turn backbone features into vectors that are compared."""
