"""Files and folders: placed whole, extracted safely, cached under locks."""
