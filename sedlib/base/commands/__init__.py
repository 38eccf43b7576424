"""What a command asks of its folder, and of the file that it is to write, before any work."""
