"""Plans and graphs looked at: cost, checks, differences, files."""
