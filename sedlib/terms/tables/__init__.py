"""What each table must be that stages write and others read, a file for each stage that writes some."""
