"""Lets the tests of this room find the modules that they share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # tests are imported by path, and would not find slow.py
