"""What the crash suite is made of: see `../soak.py`."""
