"""How sedlib is installed: its distribution's name, and what to install where a part of it is missing."""
