"""Dual encoders (picture and text into one space) behind one interface."""
