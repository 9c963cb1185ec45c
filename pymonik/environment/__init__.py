"""What tasks need: packages, variables, a Python; declared, checked, built."""
